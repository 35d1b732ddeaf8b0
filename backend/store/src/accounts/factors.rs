//! Second factors and recovery codes.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bytea, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, FactorId, MerchantId, SecretBytes};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::UserTx;

/// What a code generator's seed is sealed for.
pub const TOTP_SECRET: &str = "second_factors.secret_sealed";

/// A passkey to store.
#[derive(Debug, Clone, Copy)]
pub struct NewPasskey<'a> {
    /// Its id.
    pub id: FactorId,
    /// What the user calls it.
    pub name: &'a str,
    /// The authenticator's own id of it.
    pub credential_id: &'a [u8],
    /// Its public part.
    pub credential: &'a serde_json::Value,
    /// Now.
    pub at: DateTime<Utc>,
}

/// A second factor, as its user sees it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct FactorRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: FactorId,
    /// `totp` or `passkey`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// What the user calls it.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// Used last.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A code generator, opened.
#[derive(Debug, Clone)]
pub struct Totp {
    /// Its id.
    pub id: FactorId,
    /// The seed.
    pub secret: SecretBytes,
    /// The latest step a code was taken for.
    pub last_step: i64,
}

/// A passkey.
#[derive(Debug, Clone, QueryableByName)]
pub struct PasskeyRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: FactorId,
    /// Its public part.
    #[diesel(sql_type = Jsonb)]
    pub credential: serde_json::Value,
}

/// Stores the seed of a code generator that is not confirmed yet, in the place of another such one.
///
/// The transaction must be the platform's, whose key seals it.
///
/// # Errors
/// When the seed cannot be sealed.
pub async fn insert_totp(
    tx: &mut UserTx,
    id: FactorId,
    secret: &SecretBytes,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    require_platform(tx)?;
    let user = tx.user();
    let key = tx.tenant().data_key().await?;
    let sealed = key.seal(TOTP_SECRET, id.as_uuid(), secret.expose())?;
    sql("DELETE FROM second_factors WHERE user_id = $1 AND kind = 'totp' AND confirmed_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    sql("INSERT INTO second_factors (id, user_id, kind, name, data_key_id, secret_sealed, created_at)
         VALUES ($1, $2, 'totp', 'totp', $3, $4, $5)")
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Which of a user's code generators is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one in use.
    Confirmed,
    /// The one that waits for its first code.
    Pending,
}

/// Locks and opens a code generator, so that no code is taken twice.
///
/// # Errors
/// When the seed does not open.
pub async fn lock_totp(tx: &mut UserTx, which: Which) -> Result<Option<Totp>, StoreError> {
    #[derive(QueryableByName)]
    struct Sealed {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: FactorId,
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        data_key_id: DataKeyId,
        #[diesel(sql_type = Bytea)]
        secret_sealed: Vec<u8>,
        #[diesel(sql_type = BigInt)]
        last_step: i64,
    }
    let user = tx.user();
    let text = match which {
        Which::Confirmed => {
            "SELECT id, data_key_id, secret_sealed, last_step FROM second_factors
              WHERE user_id = $1 AND kind = 'totp' AND confirmed_at IS NOT NULL FOR UPDATE"
        }
        Which::Pending => {
            "SELECT id, data_key_id, secret_sealed, last_step FROM second_factors
              WHERE user_id = $1 AND kind = 'totp' AND confirmed_at IS NULL FOR UPDATE"
        }
    };
    let found: Option<Sealed> = sql(text).bind::<SqlUuid, _>(user.as_uuid()).get_result(tx.conn()?).await.optional()?;
    let Some(row) = found else { return Ok(None) };
    let key = tx.tenant().data_key_by_id(row.data_key_id).await?;
    let secret = key.open(TOTP_SECRET, row.id.as_uuid(), &row.secret_sealed)?;
    Ok(Some(Totp { id: row.id, secret, last_step: row.last_step }))
}

/// Confirms a code generator that waited for its first code; it takes the place of the one in use.
///
/// # Errors
/// When a statement fails.
pub async fn update_totp_confirmed(
    tx: &mut UserTx,
    id: FactorId,
    step: i64,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let user = tx.user();
    sql("DELETE FROM second_factors WHERE user_id = $1 AND kind = 'totp' AND confirmed_at IS NOT NULL AND id <> $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    sql(
        "UPDATE second_factors SET confirmed_at = $4, last_used_at = $4, last_step = $3 WHERE user_id = $1 AND id = $2",
    )
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<BigInt, _>(step)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Notes the step whose code was taken.
///
/// # Errors
/// When the statement fails.
pub async fn update_totp_used(tx: &mut UserTx, id: FactorId, step: i64, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE second_factors SET last_step = greatest(last_step, $3), last_used_at = $4 WHERE user_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<BigInt, _>(step)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Stores a passkey.
///
/// # Errors
/// Constraint `second_factors_credential_once` refuses one that is registered.
pub async fn insert_passkey(tx: &mut UserTx, new: &NewPasskey<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("INSERT INTO second_factors (id, user_id, kind, name, credential_id, credential, confirmed_at, created_at)
         VALUES ($1, $2, 'passkey', $3, $4, $5, $6, $6)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(new.name)
    .bind::<Bytea, _>(new.credential_id)
    .bind::<Jsonb, _>(new.credential)
    .bind::<Timestamptz, _>(new.at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks and lists the user's passkeys.
///
/// # Errors
/// When the statement fails.
pub async fn lock_passkeys(tx: &mut UserTx) -> Result<Vec<PasskeyRow>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT id, credential FROM second_factors WHERE user_id = $1 AND kind = 'passkey' ORDER BY id FOR UPDATE")
        .bind::<SqlUuid, _>(user.as_uuid())
        .load(tx.conn()?)
        .await?)
}

/// Notes a passkey's use and its counter.
///
/// # Errors
/// When the statement fails.
pub async fn update_passkey_used(
    tx: &mut UserTx,
    id: FactorId,
    credential: &serde_json::Value,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE second_factors SET credential = $3, last_used_at = $4 WHERE user_id = $1 AND id = $2 AND kind = 'passkey'")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Jsonb, _>(credential)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lists the user's second factors in use.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut UserTx) -> Result<Vec<FactorRow>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT id, kind, name, created_at, last_used_at FROM second_factors
             WHERE user_id = $1 AND confirmed_at IS NOT NULL ORDER BY created_at, id")
    .bind::<SqlUuid, _>(user.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Deletes one of the user's second factors; `false` when she has no such one.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut UserTx, id: FactorId) -> Result<bool, StoreError> {
    let user = tx.user();
    let gone = sql("DELETE FROM second_factors WHERE user_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(gone == 1)
}

/// Deletes the user's passkeys; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn delete_passkeys(tx: &mut UserTx) -> Result<usize, StoreError> {
    let user = tx.user();
    Ok(sql("DELETE FROM second_factors WHERE user_id = $1 AND kind = 'passkey'")
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?)
}

/// Deletes all of the user's second factors and recovery codes; returns how many factors.
///
/// # Errors
/// When a statement fails.
pub async fn delete_all(tx: &mut UserTx) -> Result<usize, StoreError> {
    let user = tx.user();
    sql("DELETE FROM recovery_codes WHERE user_id = $1").bind::<SqlUuid, _>(user.as_uuid()).execute(tx.conn()?).await?;
    Ok(sql("DELETE FROM second_factors WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?)
}

/// Replaces the user's recovery codes.
///
/// # Errors
/// When a statement fails.
pub async fn replace_recovery_codes(tx: &mut UserTx, hashes: &[[u8; 32]], at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("DELETE FROM recovery_codes WHERE user_id = $1").bind::<SqlUuid, _>(user.as_uuid()).execute(tx.conn()?).await?;
    sql("INSERT INTO recovery_codes (user_id, code_hash, created_at) SELECT $1, h, $3 FROM unnest($2) h")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Array<Bytea>, _>(hashes.iter().map(|hash| hash.as_slice()).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Uses a recovery code up; `false` when it is none, or was used before.
///
/// # Errors
/// When the statement fails.
pub async fn claim_recovery_code(tx: &mut UserTx, hash: &[u8; 32], at: DateTime<Utc>) -> Result<bool, StoreError> {
    let user = tx.user();
    let used = sql("UPDATE recovery_codes SET used_at = $3 WHERE user_id = $1 AND code_hash = $2 AND used_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Bytea, _>(hash.as_slice())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(used == 1)
}

/// Counts the recovery codes that are left.
///
/// # Errors
/// When the statement fails.
pub async fn count_recovery_codes(tx: &mut UserTx) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Left {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let user = tx.user();
    let row: Left = sql("SELECT count(*) AS n FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.n)
}

fn require_platform(tx: &mut UserTx) -> Result<(), StoreError> {
    if tx.tenant().merchant() == MerchantId::PLATFORM {
        return Ok(());
    }
    Err(StoreError::Corrupt("a seed is sealed in a transaction of the platform only".to_owned()))
}
