//! One-time tokens: stored as a hash, for one purpose, until a moment, good once.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::UserTx;

/// What a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenPurpose {
    /// To choose a new password.
    ResetPassword,
    /// To prove one of two addresses.
    ChangeEmail,
    /// To go on with a log-in by a second factor.
    SecondStep,
    /// To finish the registration of a passkey.
    EnrollPasskey,
    /// To prove a passkey, in a log-in or once more.
    AskPasskey,
    /// To choose password and second factor of a staff account.
    StaffEnroll,
    /// To go on with a log-in of the staff by a second factor.
    StaffStep,
    /// To begin anew after everything was lost.
    RecoverAccount,
}

impl TokenPurpose {
    /// Returns the stored text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResetPassword => "reset_password",
            Self::ChangeEmail => "change_email",
            Self::SecondStep => "second_step",
            Self::EnrollPasskey => "enroll_passkey",
            Self::AskPasskey => "ask_passkey",
            Self::StaffEnroll => "staff_enroll",
            Self::StaffStep => "staff_step",
            Self::RecoverAccount => "recover_account",
        }
    }
}

/// A token to store.
#[derive(Debug, Clone)]
pub struct NewToken<'a> {
    /// What it is for.
    pub purpose: TokenPurpose,
    /// SHA-256 of it.
    pub hash: &'a [u8; 32],
    /// More about what it is for; never a secret.
    pub payload: serde_json::Value,
    /// Now.
    pub at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// A token that is good.
#[derive(Debug, Clone, QueryableByName)]
pub struct TokenRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// More about what it is for.
    #[diesel(sql_type = Jsonb)]
    pub payload: serde_json::Value,
    /// How often something wrong was said with it.
    #[diesel(sql_type = Integer)]
    pub tries: i32,
}

/// Stores a token.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut UserTx, new: &NewToken<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("INSERT INTO one_time_tokens (id, user_id, purpose, token_hash, payload, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(new.purpose.as_str())
    .bind::<Bytea, _>(new.hash.as_slice())
    .bind::<Jsonb, _>(&new.payload)
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks a token that is good; of two who present it one comes first.
///
/// # Errors
/// When the statement fails.
pub async fn lock(
    tx: &mut UserTx,
    purpose: TokenPurpose,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<TokenRow>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT id, payload, tries FROM one_time_tokens
             WHERE user_id = $1 AND purpose = $2 AND token_hash = $3 AND used_at IS NULL AND expires_at > $4 FOR UPDATE")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(purpose.as_str())
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Uses a token up.
///
/// # Errors
/// When the statement fails.
pub async fn update_used(tx: &mut UserTx, token: Uuid, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE one_time_tokens SET used_at = $3 WHERE user_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(token)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Counts that something wrong was said with a token.
///
/// # Errors
/// When the statement fails.
pub async fn update_tried(tx: &mut UserTx, token: Uuid) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE one_time_tokens SET tries = tries + 1 WHERE user_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(token)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Locks all tokens of a purpose that were not used, so that of two who use one each one comes first; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn lock_unused(tx: &mut UserTx, purpose: TokenPurpose) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Unused {
        #[diesel(sql_type = SqlUuid)]
        #[expect(dead_code, reason = "rows are locked and counted")]
        id: Uuid,
    }
    let user = tx.user();
    let rows: Vec<Unused> = sql("SELECT id FROM one_time_tokens
                                  WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL ORDER BY id FOR UPDATE")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(purpose.as_str())
    .load(tx.conn()?)
    .await?;
    Ok(rows.len())
}

/// Deletes all tokens of a purpose; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut UserTx, purpose: TokenPurpose) -> Result<usize, StoreError> {
    let user = tx.user();
    Ok(sql("DELETE FROM one_time_tokens WHERE user_id = $1 AND purpose = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Text, _>(purpose.as_str())
        .execute(tx.conn()?)
        .await?)
}
