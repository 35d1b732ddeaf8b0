//! Sign-ups that are not confirmed: rows of the platform, because there is no merchant yet.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, LoginName, SecretBytes, SignUpId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// What a sign-up's contents are sealed for.
pub const SIGN_UP: &str = "sign_ups.contents_sealed";

/// A sign-up to store; sealed here.
#[derive(Debug, Clone, Copy)]
pub struct NewSignUp<'a> {
    /// Its id.
    pub id: SignUpId,
    /// The address.
    pub login: &'a LoginName,
    /// SHA-256 of the token in the mail.
    pub token_hash: &'a [u8; 32],
    /// What becomes of it when it is confirmed.
    pub contents: &'a SecretBytes,
    /// Now.
    pub at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// A sign-up, opened.
#[derive(Debug, Clone)]
pub struct SignUpRow {
    /// Its id.
    pub id: SignUpId,
    /// The address.
    pub login: LoginName,
    /// What becomes of it when it is confirmed.
    pub contents: SecretBytes,
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: SignUpId,
    #[diesel(sql_type = Text)]
    login: String,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    data_key_id: DataKeyId,
    #[diesel(sql_type = Bytea)]
    contents_sealed: Vec<u8>,
}

impl Read {
    async fn open(self, tx: &mut TenantTx) -> Result<SignUpRow, StoreError> {
        let key = tx.data_key_by_id(self.data_key_id).await?;
        let contents = key.open(SIGN_UP, self.id.as_uuid(), &self.contents_sealed)?;
        Ok(SignUpRow { id: self.id, login: parsed(&self.login)?, contents })
    }
}

/// Stores a sign-up.
///
/// # Errors
/// When the contents cannot be sealed.
pub async fn insert(tx: &mut TenantTx, new: &NewSignUp<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let sealed = key.seal(SIGN_UP, new.id.as_uuid(), new.contents.expose())?;
    sql("INSERT INTO sign_ups (id, merchant_id, login, token_hash, data_key_id, contents_sealed, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.login.as_str())
    .bind::<Bytea, _>(new.token_hash.as_slice())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks and opens the sign-up of a token, if it is good. Index sign_ups_by_hash.
///
/// # Errors
/// When the contents do not open.
pub async fn lock_by_token(
    tx: &mut TenantTx,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<SignUpRow>, StoreError> {
    let merchant = tx.merchant();
    let found: Option<Read> = sql("SELECT id, login, data_key_id, contents_sealed FROM sign_ups
                                    WHERE merchant_id = $1 AND token_hash = $2 AND expires_at > $3 FOR UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    match found {
        Some(row) => row.open(tx).await.map(Some),
        None => Ok(None),
    }
}

/// Locks and opens the latest good sign-up of an address. Index sign_ups_by_login.
///
/// # Errors
/// When the contents do not open.
pub async fn lock_latest(
    tx: &mut TenantTx,
    login: &LoginName,
    now: DateTime<Utc>,
) -> Result<Option<SignUpRow>, StoreError> {
    let merchant = tx.merchant();
    let found: Option<Read> = sql("SELECT id, login, data_key_id, contents_sealed FROM sign_ups
         WHERE merchant_id = $1 AND login = $2 AND expires_at > $3 ORDER BY created_at DESC LIMIT 1 FOR UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(login.as_str())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    match found {
        Some(row) => row.open(tx).await.map(Some),
        None => Ok(None),
    }
}

/// Gives a sign-up a new token and a new end; the former token is good for nothing then.
///
/// # Errors
/// When the statement fails.
pub async fn update_token(
    tx: &mut TenantTx,
    id: SignUpId,
    token_hash: &[u8; 32],
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE sign_ups SET token_hash = $3, expires_at = $4 WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Bytea, _>(token_hash.as_slice())
        .bind::<Timestamptz, _>(expires_at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Deletes all sign-ups of an address: it was confirmed.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, login: &LoginName) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("DELETE FROM sign_ups WHERE merchant_id = $1 AND login = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(login.as_str())
        .execute(tx.conn()?)
        .await?)
}
