//! Card pools, and the lock under which stock meets those who wait for it.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{GatewayKind, PoolId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::stored::Stored;
use crate::tx::TenantTx;

/// A pool to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewPool<'a> {
    /// Its id.
    pub id: PoolId,
    /// Its name, unique within the merchant.
    pub name: &'a str,
    /// Shops of which platform it serves; it never serves others.
    pub gateway: GatewayKind,
    /// How long a card must still be valid when it is handed out, seconds.
    pub min_validity_s: i32,
    /// From which stock down to warn; 0 never.
    pub low_stock_at: i32,
}

/// A pool.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct PoolRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: PoolId,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Shops of which platform it serves.
    #[diesel(sql_type = Text, deserialize_as = Stored<GatewayKind>)]
    pub gateway: GatewayKind,
    /// How long a card must still be valid when it is handed out, seconds.
    #[diesel(sql_type = Integer)]
    pub min_validity_s: i32,
    /// From which stock down to warn; 0 never.
    #[diesel(sql_type = Integer)]
    pub low_stock_at: i32,
}

/// How many uses of a pool's cards there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct StockCount {
    /// In stock, whether still valid or not.
    #[diesel(sql_type = BigInt)]
    pub available: i64,
    /// In stock, but no longer valid for long enough to be handed out.
    #[diesel(sql_type = BigInt)]
    pub expired: i64,
    /// Claimed.
    #[diesel(sql_type = BigInt)]
    pub reserved: i64,
    /// On the way to, or in, the platform's own stock.
    #[diesel(sql_type = BigInt)]
    pub at_platform: i64,
    /// Sent.
    #[diesel(sql_type = BigInt)]
    pub sent: i64,
    /// May have left us.
    #[diesel(sql_type = BigInt)]
    pub quarantined: i64,
    /// Left us and worth nothing.
    #[diesel(sql_type = BigInt)]
    pub burned: i64,
    /// Taken out by a person.
    #[diesel(sql_type = BigInt)]
    pub void: i64,
}

/// Inserts a pool.
///
/// # Errors
/// Constraint `card_pools_name_once` refuses a name that is taken.
pub async fn insert(tx: &mut TenantTx, new: &NewPool<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO card_pools (id, merchant_id, name, min_validity_s, low_stock_at, gateway)
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.name)
    .bind::<Integer, _>(new.min_validity_s)
    .bind::<Integer, _>(new.low_stock_at)
    .bind::<Text, _>(new.gateway.as_str())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Reads a pool.
///
/// # Errors
/// [`StoreError::NotFound`] for a pool of another merchant.
pub async fn fetch(tx: &mut TenantTx, pool: PoolId) -> Result<PoolRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, name, gateway, min_validity_s, low_stock_at FROM card_pools WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(pool.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("card pool"))
}

/// Returns the pool of a name.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_name(tx: &mut TenantTx, name: &str) -> Result<Option<PoolRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(
        "SELECT id, name, gateway, min_validity_s, low_stock_at FROM card_pools WHERE merchant_id = $1 AND name = $2",
    )
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(name)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Lists pools after a cursor, oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, after: Option<PoolId>, limit: i64) -> Result<Vec<PoolRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, name, gateway, min_validity_s, low_stock_at FROM card_pools
             WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(after.map_or_else(Uuid::nil, PoolId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Changes a pool's settings; its platform stays.
///
/// # Errors
/// [`StoreError::NotFound`] for a pool of another merchant; constraints refuse bad values.
pub async fn update(tx: &mut TenantTx, changed: &NewPool<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let rows = sql("UPDATE card_pools SET name = $3, min_validity_s = $4, low_stock_at = $5
                     WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(changed.id.as_uuid())
    .bind::<Text, _>(changed.name)
    .bind::<Integer, _>(changed.min_validity_s)
    .bind::<Integer, _>(changed.low_stock_at)
    .execute(tx.conn()?)
    .await?;
    if rows == 0 { Err(StoreError::NotFound("card pool")) } else { Ok(()) }
}

/// Locks pools in the order of their ids: who adds stock, and who is about to wait for it, take turns.
///
/// NO KEY, because every card that is being inserted holds a key-share lock on its pool: with the stronger lock a
/// claim would wait for whole imports, and two imports into one pool would deadlock.
///
/// # Errors
/// [`StoreError::NotFound`] when one of them is another merchant's.
pub async fn lock(tx: &mut TenantTx, pools: &[PoolId]) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let mut ids: Vec<Uuid> = pools.iter().map(|pool| pool.as_uuid()).collect();
    ids.sort_unstable();
    ids.dedup();
    let wanted = ids.len();
    let locked = sql("SELECT id FROM card_pools WHERE merchant_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<diesel::sql_types::Array<SqlUuid>, _>(ids)
        .execute(tx.conn()?)
        .await?;
    if locked == wanted { Ok(()) } else { Err(StoreError::NotFound("card pool")) }
}

/// Counts a pool's uses by state.
///
/// # Errors
/// When the statement fails.
pub async fn count_stock(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>) -> Result<StockCount, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT count(*) FILTER (WHERE u.state = 'available') AS available,
                   count(*) FILTER (WHERE u.state = 'available'
                                      AND u.expires_at <= $3 + make_interval(secs => p.min_validity_s)) AS expired,
                   count(*) FILTER (WHERE u.state = 'reserved') AS reserved,
                   count(*) FILTER (WHERE u.state IN ('uploading', 'at_platform')) AS at_platform,
                   count(*) FILTER (WHERE u.state = 'sent') AS sent,
                   count(*) FILTER (WHERE u.state = 'quarantined') AS quarantined,
                   count(*) FILTER (WHERE u.state = 'burned') AS burned,
                   count(*) FILTER (WHERE u.state = 'void') AS void
              FROM card_uses u JOIN card_pools p ON p.id = u.pool_id AND p.merchant_id = u.merchant_id
             WHERE u.merchant_id = $1 AND u.pool_id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await?)
}

/// A pool with few cards left.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct LowPool {
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// From how few cards on it is low.
    #[diesel(sql_type = Integer)]
    pub low_stock_at: i32,
    /// Since when it is.
    #[diesel(sql_type = Timestamptz)]
    pub low_since: DateTime<Utc>,
    /// Cards that can still be handed out.
    #[diesel(sql_type = BigInt)]
    pub left: i64,
}

/// Cards of pool `p` that can be handed out at `$3`, and one more than makes it low at most. Index card_uses_available.
const FEW: &str = "SELECT count(*) AS cards
      FROM (SELECT FROM card_uses u
             WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'available'
               AND (u.expires_at IS NULL OR u.expires_at > $3 + make_interval(secs => p.min_validity_s))
             LIMIT p.low_stock_at::bigint + 1) few";

/// Notes that a pool has become low, or is low no more. Returns since when it is low if it has just become so.
///
/// # Errors
/// When the statement fails.
pub async fn update_low(
    tx: &mut TenantTx,
    pool: PoolId,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    #[derive(QueryableByName)]
    struct Turned {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        low_since: Option<DateTime<Utc>>,
    }
    let merchant = tx.merchant();
    let turned: Option<Turned> = sql(format!(
        "UPDATE card_pools p SET low_since = CASE WHEN p.low_since IS NULL THEN $3 END
          WHERE p.merchant_id = $1 AND p.id = $2 AND (p.low_since IS NULL) = (({FEW}) <= p.low_stock_at)
         RETURNING p.low_since"
    ))
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    Ok(turned.and_then(|turned| turned.low_since))
}

/// Returns a pool if it is low.
///
/// # Errors
/// When the statement fails.
pub async fn find_low(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>) -> Result<Option<LowPool>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(format!(
        "SELECT p.name, p.low_stock_at, p.low_since, ({FEW}) AS \"left\" FROM card_pools p
          WHERE p.merchant_id = $1 AND p.id = $2 AND p.low_since IS NOT NULL"
    ))
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// A shop that a pool serves: a SKU of it is delivered from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct ServedShop {
    /// The pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
    /// The shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
}

/// Lists which shops some pools serve. Indexes sku_mappings_of_pool, skus_pkey.
///
/// # Errors
/// When the statement fails.
pub async fn list_served(tx: &mut TenantTx, pools: &[PoolId]) -> Result<Vec<ServedShop>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT DISTINCT m.pool_id AS pool, k.shop_id AS shop
              FROM sku_mappings m
              JOIN skus k ON k.merchant_id = $1 AND k.id = m.sku_id
             WHERE m.merchant_id = $1 AND m.pool_id = ANY ($2)")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<diesel::sql_types::Array<SqlUuid>, _>(pools.iter().map(|pool| pool.as_uuid()).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}

#[derive(QueryableByName)]
struct Id {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: PoolId,
}

/// Lists those of some pools that are for shops of a platform. Index card_pools_pkey.
///
/// # Errors
/// When the statement fails.
pub async fn list_of_gateway(
    tx: &mut TenantTx,
    pools: &[PoolId],
    gateway: GatewayKind,
) -> Result<Vec<PoolId>, StoreError> {
    let merchant = tx.merchant();
    let rows: Vec<Id> = sql("SELECT id FROM card_pools WHERE merchant_id = $1 AND id = ANY ($2) AND gateway = $3")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<diesel::sql_types::Array<SqlUuid>, _>(pools.iter().map(|pool| pool.as_uuid()).collect::<Vec<_>>())
        .bind::<Text, _>(gateway.as_str())
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
