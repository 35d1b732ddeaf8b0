//! Imports of our cards into the platform's own stock.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardUseId, MerchantId, PoolId, ShopId, SkuId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};

/// Which cards an import may take.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// From which pool.
    pub pool: PoolId,
    /// A card must be valid for longer than this.
    pub valid_after: DateTime<Utc>,
    /// Batches that are paused.
    pub paused_batches: Vec<Uuid>,
    /// At most so many.
    pub limit: i64,
}

/// Locks free uses of a pool for an import, expiry first. Index card_uses_available.
///
/// # Errors
/// When the connection is lost.
pub async fn lock_available(tx: &mut TenantTx, wanted: &Wanted) -> Result<Vec<CardUseId>, StoreError> {
    #[derive(QueryableByName)]
    struct Free {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    // Reusable cards stay with us: the platform hands a code out once.
    let free: Vec<Free> = sql("SELECT u.id FROM card_uses u
             WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'available'
               AND (u.expires_at IS NULL OR u.expires_at > $3)
               AND EXISTS (SELECT FROM cards c WHERE c.id = u.card_id AND c.merchant_id = $1 AND c.uses_permitted = 1
                              AND c.batch_id <> ALL ($4))
             ORDER BY u.expires_at NULLS LAST, u.id LIMIT $5 FOR UPDATE OF u SKIP LOCKED")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(wanted.pool.as_uuid())
    .bind::<Timestamptz, _>(wanted.valid_after)
    .bind::<Array<SqlUuid>, _>(wanted.paused_batches.clone())
    .bind::<BigInt, _>(wanted.limit)
    .load(tx.conn()?)
    .await?;
    Ok(free.into_iter().map(|row| CardUseId::from_uuid(row.id)).collect())
}

/// An import that starts.
#[derive(Debug, Clone)]
pub struct NewUpload {
    /// Its id.
    pub id: Uuid,
    /// Into which shop's stock.
    pub shop: ShopId,
    /// For which SKU.
    pub sku: SkuId,
    /// The uses.
    pub uses: Vec<CardUseId>,
    /// When it starts.
    pub now: DateTime<Utc>,
    /// When it must have left this machine.
    pub deadline: DateTime<Utc>,
}

/// Inserts an import as started; at most one per SKU is under way.
///
/// # Errors
/// When another import of the SKU is under way (constraint `platform_uploads_one_open`).
pub async fn start(tx: &mut TenantTx, new: &NewUpload) -> Result<(), StoreError> {
    sql("INSERT INTO platform_uploads (id, merchant_id, shop_id, sku_id, state, started_at, send_deadline)
         VALUES ($1, $2, $3, $4, 'started', $5, $6)")
    .bind::<SqlUuid, _>(new.id)
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(new.shop.as_uuid())
    .bind::<SqlUuid, _>(new.sku.as_uuid())
    .bind::<Timestamptz, _>(new.now)
    .bind::<Timestamptz, _>(new.deadline)
    .execute(tx.conn()?)
    .await?;
    sql("INSERT INTO platform_upload_uses (upload_id, merchant_id, card_use_id) SELECT $1, $2, unnest($3::uuid[])")
        .bind::<SqlUuid, _>(new.id)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(new.uses.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// How an import ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadEnd {
    /// The platform has the cards.
    Succeeded,
    /// It refused them.
    Failed,
    /// Nobody knows.
    Unknown,
}

/// Ends an import that is under way; returns whether it was.
///
/// # Errors
/// When the connection is lost.
pub async fn end(
    tx: &mut TenantTx,
    upload: Uuid,
    end: UploadEnd,
    platform_batch: Option<i64>,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let state = match end {
        UploadEnd::Succeeded => "succeeded",
        UploadEnd::Failed => "failed",
        UploadEnd::Unknown => "unknown",
    };
    let ended = sql("UPDATE platform_uploads SET state = $3, platform_batch_id = $4, ended_at = $5, outcome = $6
             WHERE merchant_id = $1 AND id = $2 AND state = 'started'")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(upload)
    .bind::<Text, _>(state)
    .bind::<Nullable<BigInt>, _>(platform_batch)
    .bind::<Timestamptz, _>(now)
    .bind::<Jsonb, _>(serde_json::json!({}))
    .execute(tx.conn()?)
    .await?;
    Ok(ended == 1)
}

/// An import whose sender is gone.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct StaleUpload {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub shop_id: Uuid,
}

/// Finds the import of a SKU that is still open although its deadline is long past; its row is locked.
///
/// # Errors
/// When the connection is lost.
pub async fn lock_stale(
    tx: &mut TenantTx,
    sku: SkuId,
    deadline_before: DateTime<Utc>,
) -> Result<Option<StaleUpload>, StoreError> {
    Ok(sql("SELECT id, shop_id FROM platform_uploads
             WHERE merchant_id = $1 AND sku_id = $2 AND state = 'started' AND send_deadline < $3 FOR UPDATE")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .bind::<Timestamptz, _>(deadline_before)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// A SKU and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct OwnedSku {
    /// Its merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The SKU.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub sku: SkuId,
}

/// Lists the SKUs of all merchants with an import that is still open although its deadline is long past.
///
/// # Errors
/// When the statement fails.
pub async fn list_stale(
    tx: &mut SystemTx,
    deadline_before: DateTime<Utc>,
    limit: i32,
) -> Result<Vec<OwnedSku>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, sku_id AS sku FROM system_stale_uploads($1, $2)")
        .bind::<Timestamptz, _>(deadline_before)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists the uses of an import.
///
/// # Errors
/// When the connection is lost.
pub async fn list_uses(tx: &mut TenantTx, upload: Uuid) -> Result<Vec<CardUseId>, StoreError> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = SqlUuid)]
        card_use_id: Uuid,
    }
    let uses: Vec<Used> = sql("SELECT card_use_id FROM platform_upload_uses WHERE merchant_id = $1 AND upload_id = $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(upload)
        .load(tx.conn()?)
        .await?;
    Ok(uses.into_iter().map(|row| CardUseId::from_uuid(row.card_use_id)).collect())
}

/// The SKU an import is for, and the cards it takes, sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct UploadTarget {
    #[diesel(sql_type = BigInt)]
    pub goods_id: i64,
    #[diesel(sql_type = BigInt)]
    pub platform_sku_id: i64,
    #[diesel(sql_type = SqlUuid)]
    pub shop_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub pool_id: Uuid,
    #[diesel(sql_type = Jsonb)]
    pub settings: serde_json::Value,
}

/// Finds where the cards of a SKU mapped to `platform_pool` go.
///
/// # Errors
/// When the connection is lost.
pub async fn find_target(tx: &mut TenantTx, sku: SkuId) -> Result<Option<UploadTarget>, StoreError> {
    Ok(sql("SELECT p.goods_id, k.platform_sku_id, k.shop_id, m.pool_id, m.settings
              FROM skus k
              JOIN products p ON p.id = k.product_id AND p.merchant_id = k.merchant_id
              JOIN sku_mappings m ON m.sku_id = k.id AND m.merchant_id = k.merchant_id
             WHERE k.merchant_id = $1 AND k.id = $2 AND m.delivery_method = 'platform_pool'")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// A card of an import, sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct UploadCardRow {
    #[diesel(sql_type = SqlUuid)]
    pub card_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub data_key_id: Uuid,
    #[diesel(sql_type = diesel::sql_types::Bytea)]
    pub number_sealed: Vec<u8>,
    #[diesel(sql_type = Nullable<diesel::sql_types::Bytea>)]
    pub secret_sealed: Option<Vec<u8>>,
}

/// Lists the cards of uses, sealed, in the order of the uses' ids.
///
/// # Errors
/// When the connection is lost.
pub async fn list_cards(tx: &mut TenantTx, uses: &[CardUseId]) -> Result<Vec<UploadCardRow>, StoreError> {
    Ok(sql("SELECT c.id AS card_id, c.data_key_id, c.number_sealed, c.secret_sealed
              FROM card_uses u JOIN cards c ON c.id = u.card_id AND c.merchant_id = u.merchant_id
             WHERE u.merchant_id = $1 AND u.id = ANY ($2) ORDER BY u.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uses.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}
