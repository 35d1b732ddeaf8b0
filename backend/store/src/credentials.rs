//! Tokens of shops, and the row that lets one process refresh them.
//!
//! # Refreshing
//! A refresh token is tried once per token version. [`claim_refresh`] marks the version as tried **before** the call,
//! so a process that dies meanwhile cannot lead to a second try by somebody who knows nothing of the first; only a
//! try that ended without an outcome (its holder is still written in the row, its deadline past) may be repeated,
//! once, with the same refresh token. Tokens are stored only by the holder and only over the version it read.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CredentialId, DataKeyId, SecretText, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::shops::{ACCESS_TOKEN, REFRESH_TOKEN};
use crate::sql::sql;
use crate::tx::TenantTx;

/// When the platform's permission levels of a token end (protocol 2.2), as far as it told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "the platform's own names: read 1 and 2, write 1 and 2")]
pub struct TokenLevels {
    pub r1: Option<DateTime<Utc>>,
    pub r2: Option<DateTime<Utc>>,
    pub w1: Option<DateTime<Utc>>,
    pub w2: Option<DateTime<Utc>>,
}

/// Tokens to store; sealed here.
#[derive(Debug, Clone, Copy)]
pub struct NewTokens<'a> {
    /// The token for calls.
    pub access_token: &'a SecretText,
    /// The token for a new token.
    pub refresh_token: &'a SecretText,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// When the refresh token ends.
    pub refresh_expires_at: DateTime<Utc>,
    /// APIs the token may call.
    pub scopes: &'a [String],
    /// When they were given.
    pub issued_at: DateTime<Utc>,
    /// When single permissions end.
    pub levels: TokenLevels,
}

/// A shop's credential; the refresh token is still sealed.
#[derive(Debug, Clone, QueryableByName)]
pub struct CredentialRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: CredentialId,
    /// The key that seals both tokens.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key_id: DataKeyId,
    /// Sealed for [`REFRESH_TOKEN`] and this id.
    #[diesel(sql_type = Bytea)]
    pub refresh_token_sealed: Vec<u8>,
    /// Raised by every new token.
    #[diesel(sql_type = BigInt)]
    pub token_version: i64,
    /// When the access token ends.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
    /// When the tokens were given, as far as that is known.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub issued_at: Option<DateTime<Utc>>,
    /// Nobody else may refresh before it.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub refresh_deadline: Option<DateTime<Utc>>,
    /// Who refreshes, or did without learning the outcome.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub refresh_holder: Option<Uuid>,
    /// The latest version a refresh was tried for.
    #[diesel(sql_type = BigInt)]
    pub refresh_tried_version: i64,
    /// How often a try without an outcome was repeated.
    #[diesel(sql_type = Integer)]
    pub refresh_unknown_retries: i32,
    /// From here only the owner's authorization helps.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub needs_reauthorization_at: Option<DateTime<Utc>>,
    /// Reminders told already.
    #[diesel(sql_type = Array<Text>)]
    pub reminded: Vec<String>,
    /// Why the token is dead.
    #[diesel(sql_type = Nullable<Text>)]
    pub dead_reason: Option<String>,
}

/// Inserts a shop's first tokens.
///
/// # Errors
/// Constraint `credentials_one_per_shop` refuses a second row.
pub async fn insert(tx: &mut TenantTx, shop: ShopId, tokens: &NewTokens<'_>) -> Result<CredentialId, StoreError> {
    let merchant = tx.merchant();
    let id = CredentialId::generate();
    let key = tx.data_key().await?;
    let access = key.seal(ACCESS_TOKEN, id.as_uuid(), tokens.access_token.expose().as_bytes())?;
    let refresh = key.seal(REFRESH_TOKEN, id.as_uuid(), tokens.refresh_token.expose().as_bytes())?;
    sql("INSERT INTO credentials (id, merchant_id, shop_id, data_key_id, access_token_sealed, refresh_token_sealed,
                                  expires_at, refresh_expires_at, scopes, issued_at, r1_expires_at, r2_expires_at,
                                  w1_expires_at, w2_expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)")
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(access)
    .bind::<Bytea, _>(refresh)
    .bind::<Timestamptz, _>(tokens.expires_at)
    .bind::<Timestamptz, _>(tokens.refresh_expires_at)
    .bind::<Array<Text>, _>(tokens.scopes)
    .bind::<Timestamptz, _>(tokens.issued_at)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r2)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w2)
    .execute(tx.conn()?)
    .await?;
    Ok(id)
}

/// Reads a shop's credential.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant or one without tokens.
pub async fn fetch(tx: &mut TenantTx, shop: ShopId) -> Result<CredentialRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, data_key_id, refresh_token_sealed, token_version, expires_at, issued_at, refresh_deadline, refresh_holder,
                refresh_tried_version, refresh_unknown_retries, needs_reauthorization_at, reminded, dead_reason
           FROM credentials WHERE merchant_id = $1 AND shop_id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("credential"))
}

/// Replaces a shop's tokens by those of a new authorization, whatever became of the old ones.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop without tokens.
pub async fn update_authorized(tx: &mut TenantTx, shop: ShopId, tokens: &NewTokens<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let row = fetch(tx, shop).await?;
    let key = tx.data_key().await?;
    let access = key.seal(ACCESS_TOKEN, row.id.as_uuid(), tokens.access_token.expose().as_bytes())?;
    let refresh = key.seal(REFRESH_TOKEN, row.id.as_uuid(), tokens.refresh_token.expose().as_bytes())?;
    sql("UPDATE credentials
            SET data_key_id = $3, access_token_sealed = $4, refresh_token_sealed = $5, token_version = token_version + 1,
                expires_at = $6, refresh_expires_at = $7, scopes = $8, refresh_holder = NULL, refresh_deadline = NULL,
                refresh_unknown_retries = 0, needs_reauthorization_at = NULL, reminded = '{}', dead_reason = NULL,
                issued_at = $9, r1_expires_at = $10, r2_expires_at = $11, w1_expires_at = $12, w2_expires_at = $13,
                updated_at = now()
          WHERE merchant_id = $1 AND shop_id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(access)
    .bind::<Bytea, _>(refresh)
    .bind::<Timestamptz, _>(tokens.expires_at)
    .bind::<Timestamptz, _>(tokens.refresh_expires_at)
    .bind::<Array<Text>, _>(tokens.scopes)
    .bind::<Timestamptz, _>(tokens.issued_at)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r2)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w2)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Who wants to refresh which version, and until when nobody else may.
#[derive(Debug, Clone, Copy)]
pub struct RefreshClaim {
    /// The shop.
    pub shop: ShopId,
    /// The version that was read.
    pub version: i64,
    /// This try.
    pub holder: Uuid,
    /// The present moment.
    pub now: DateTime<Utc>,
    /// Until when nobody else may try.
    pub deadline: DateTime<Utc>,
}

/// Takes the right to refresh one version; `false` when it was tried, is being tried, or is not the present one.
///
/// # Errors
/// When the statement fails.
pub async fn claim_refresh(tx: &mut TenantTx, claim: &RefreshClaim) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let claimed = sql("UPDATE credentials
            SET refresh_holder = $4, refresh_deadline = $5, refresh_tried_version = token_version,
                refresh_unknown_retries = CASE WHEN refresh_tried_version < token_version THEN 0
                                               ELSE refresh_unknown_retries + 1 END,
                updated_at = now()
          WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3
            AND dead_reason IS NULL AND needs_reauthorization_at IS NULL
            AND (refresh_deadline IS NULL OR refresh_deadline <= $6)
            AND (refresh_tried_version < token_version
                 OR (refresh_holder IS NOT NULL AND refresh_unknown_retries < 1))")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(claim.shop.as_uuid())
    .bind::<BigInt, _>(claim.version)
    .bind::<SqlUuid, _>(claim.holder)
    .bind::<Timestamptz, _>(claim.deadline)
    .bind::<Timestamptz, _>(claim.now)
    .execute(tx.conn()?)
    .await?;
    Ok(claimed == 1)
}

/// Stores refreshed tokens over the version the holder claimed; `false` when it lost the claim meanwhile.
///
/// `needs_reauthorization_at` is given when the refresh did not extend the lifetime: then they are as old as the former.
///
/// # Errors
/// When the statement fails.
pub async fn update_refreshed(
    tx: &mut TenantTx,
    claim: &RefreshClaim,
    tokens: &NewTokens<'_>,
    needs_reauthorization_at: Option<DateTime<Utc>>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let row = fetch(tx, claim.shop).await?;
    let key = tx.data_key().await?;
    let access = key.seal(ACCESS_TOKEN, row.id.as_uuid(), tokens.access_token.expose().as_bytes())?;
    let refresh = key.seal(REFRESH_TOKEN, row.id.as_uuid(), tokens.refresh_token.expose().as_bytes())?;
    let stored = sql("UPDATE credentials
            SET data_key_id = $5, access_token_sealed = $6, refresh_token_sealed = $7, token_version = token_version + 1,
                expires_at = $8, refresh_expires_at = $9, scopes = $10, needs_reauthorization_at = $11,
                refresh_holder = NULL, refresh_deadline = NULL, refresh_unknown_retries = 0, reminded = '{}',
                issued_at = CASE WHEN $11::timestamptz IS NULL THEN $12 ELSE coalesce(issued_at, $12) END, r1_expires_at = $13, r2_expires_at = $14, w1_expires_at = $15, w2_expires_at = $16,
                updated_at = now()
          WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3 AND refresh_holder = $4")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(claim.shop.as_uuid())
    .bind::<BigInt, _>(claim.version)
    .bind::<SqlUuid, _>(claim.holder)
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(access)
    .bind::<Bytea, _>(refresh)
    .bind::<Timestamptz, _>(tokens.expires_at)
    .bind::<Timestamptz, _>(tokens.refresh_expires_at)
    .bind::<Array<Text>, _>(tokens.scopes)
    .bind::<Nullable<Timestamptz>, _>(needs_reauthorization_at)
    .bind::<Timestamptz, _>(tokens.issued_at)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.r2)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w1)
    .bind::<Nullable<Timestamptz>, _>(tokens.levels.w2)
    .execute(tx.conn()?)
    .await?;
    Ok(stored == 1)
}

/// How a refresh ended without new tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefreshEnd {
    /// It certainly did not take place: the version may be tried again from this moment on.
    NotMade {
        /// Not before.
        retry_at: DateTime<Utc>,
    },
    /// Nobody knows: the same refresh token may be sent once more, at once.
    Unknown,
    /// Only the owner's authorization helps; the access token ends at this moment.
    Refused {
        /// When the access token ends.
        needs_reauthorization_at: DateTime<Utc>,
    },
}

/// Writes how a refresh ended without new tokens; `false` when the holder lost the claim meanwhile.
///
/// # Errors
/// When the statement fails.
pub async fn update_refresh_ended(
    tx: &mut TenantTx,
    claim: &RefreshClaim,
    end: RefreshEnd,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let bound = |statement: &'static str| {
        sql(statement)
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(claim.shop.as_uuid())
            .bind::<BigInt, _>(claim.version)
            .bind::<SqlUuid, _>(claim.holder)
    };
    let statement = match end {
        RefreshEnd::NotMade { retry_at } => bound(
            "UPDATE credentials SET refresh_holder = NULL, refresh_deadline = $5, refresh_tried_version = token_version - 1
              WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3 AND refresh_holder = $4",
        )
        .bind::<Timestamptz, _>(retry_at),
        RefreshEnd::Unknown => bound(
            "UPDATE credentials SET refresh_deadline = NULL
              WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3 AND refresh_holder = $4",
        ),
        RefreshEnd::Refused { needs_reauthorization_at } => bound(
            "UPDATE credentials SET refresh_holder = NULL, refresh_deadline = NULL, needs_reauthorization_at = $5
              WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3 AND refresh_holder = $4",
        )
        .bind::<Timestamptz, _>(needs_reauthorization_at),
    };
    Ok(statement.execute(tx.conn()?).await? == 1)
}

/// Marks that from a moment on only the owner's authorization helps, for the version that was read.
///
/// # Errors
/// When the statement fails.
pub async fn update_needs_reauthorization(
    tx: &mut TenantTx,
    shop: ShopId,
    version: i64,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let marked = sql("UPDATE credentials SET needs_reauthorization_at = coalesce(needs_reauthorization_at, $4)
                       WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(version)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(marked == 1)
}

/// Marks the token that was read as dead; `false` when there is a newer one.
///
/// # Errors
/// When the statement fails.
pub async fn update_dead(tx: &mut TenantTx, shop: ShopId, version: i64, reason: &str) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let marked = sql("UPDATE credentials SET dead_reason = coalesce(dead_reason, $4), updated_at = now()
                       WHERE merchant_id = $1 AND shop_id = $2 AND token_version = $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(version)
    .bind::<Text, _>(reason)
    .execute(tx.conn()?)
    .await?;
    Ok(marked == 1)
}

/// Notes that a reminder was told; `false` when it had been told before.
///
/// # Errors
/// When the statement fails.
pub async fn update_reminded(tx: &mut TenantTx, shop: ShopId, reminder: &str) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let told = sql("UPDATE credentials SET reminded = reminded || ARRAY[$3]
                     WHERE merchant_id = $1 AND shop_id = $2 AND NOT reminded @> ARRAY[$3]")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(reminder)
    .execute(tx.conn()?)
    .await?;
    Ok(told == 1)
}
