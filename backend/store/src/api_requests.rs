//! What tokens of the API asked to be written, and what they were answered: the same again gets the same answer.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bytea, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ApiTokenId;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Rows that one request clears away behind itself: more than it adds, so that none are left for long.
const CLEARED: i64 = 20;

/// A request by the key its sender chose.
#[derive(Debug, Clone, Copy)]
pub struct RequestKey<'a> {
    /// The token that sends it.
    pub token: ApiTokenId,
    /// The key.
    pub key: &'a str,
}

/// A request that was seen before.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ApiRequestRow {
    /// SHA-256 of what was asked.
    #[diesel(sql_type = Bytea)]
    pub request_hash: Vec<u8>,
    /// When it began.
    #[diesel(sql_type = Timestamptz)]
    pub began_at: DateTime<Utc>,
    /// The answer's status; none while it is being done.
    #[diesel(sql_type = Nullable<SmallInt>)]
    pub status: Option<i16>,
    /// What the answer is.
    #[diesel(sql_type = Nullable<Text>)]
    pub content_type: Option<String>,
    /// The answer.
    #[diesel(sql_type = Nullable<Bytea>)]
    pub body: Option<Vec<u8>>,
}

/// Begins a request if its key is new; `false` when it is known. Index api_requests_pkey.
///
/// # Errors
/// When the statement fails.
pub async fn insert(
    tx: &mut TenantTx,
    request: RequestKey<'_>,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let inserted = sql("INSERT INTO api_requests (merchant_id, token_id, key, request_hash, began_at)
                        VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(request.token.as_uuid())
    .bind::<Text, _>(request.key)
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?;
    Ok(inserted == 1)
}

/// Locks what is known of a request.
///
/// # Errors
/// When the statement fails.
pub async fn lock(tx: &mut TenantTx, request: RequestKey<'_>) -> Result<Option<ApiRequestRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT request_hash, began_at, status, content_type, body FROM api_requests
             WHERE merchant_id = $1 AND token_id = $2 AND key = $3 FOR UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(request.token.as_uuid())
    .bind::<Text, _>(request.key)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Begins a known request anew: the one before it is forgotten, or was not brought to its end.
///
/// # Errors
/// When the statement fails.
pub async fn update_begun(
    tx: &mut TenantTx,
    request: RequestKey<'_>,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE api_requests
            SET request_hash = $4, began_at = $5, status = NULL, content_type = NULL, body = NULL
          WHERE merchant_id = $1 AND token_id = $2 AND key = $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(request.token.as_uuid())
    .bind::<Text, _>(request.key)
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// An answer to keep; it holds no secret.
#[derive(Debug, Clone, Copy)]
pub struct KeptAnswer<'a> {
    /// Its status, below 500.
    pub status: i16,
    /// What it is.
    pub content_type: &'a str,
    /// The answer.
    pub body: &'a [u8],
}

/// Keeps the answer of the request that began at a moment, unless another has taken over.
///
/// # Errors
/// When the statement fails.
pub async fn update_answered(
    tx: &mut TenantTx,
    request: RequestKey<'_>,
    began_at: DateTime<Utc>,
    answer: &KeptAnswer<'_>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE api_requests SET status = $5, content_type = $6, body = $7
          WHERE merchant_id = $1 AND token_id = $2 AND key = $3 AND began_at = $4 AND status IS NULL")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(request.token.as_uuid())
    .bind::<Text, _>(request.key)
    .bind::<Timestamptz, _>(began_at)
    .bind::<SmallInt, _>(answer.status)
    .bind::<Text, _>(answer.content_type)
    .bind::<Bytea, _>(answer.body)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Forgets the request that began at a moment: it failed inside of us and may be sent again at once.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, request: RequestKey<'_>, began_at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM api_requests
          WHERE merchant_id = $1 AND token_id = $2 AND key = $3 AND began_at = $4 AND status IS NULL")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(request.token.as_uuid())
    .bind::<Text, _>(request.key)
    .bind::<Timestamptz, _>(began_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Clears away some of a token's requests that began before a moment. Index api_requests_by_age.
///
/// # Errors
/// When the statement fails.
pub async fn delete_old(tx: &mut TenantTx, token: ApiTokenId, before: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM api_requests r USING (
             SELECT key FROM api_requests WHERE merchant_id = $1 AND token_id = $2 AND began_at < $3
              ORDER BY began_at LIMIT $4 FOR UPDATE SKIP LOCKED) AS old
          WHERE r.merchant_id = $1 AND r.token_id = $2 AND r.key = old.key")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(token.as_uuid())
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(CLEARED)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
