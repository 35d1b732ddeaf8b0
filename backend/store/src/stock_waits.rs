//! Deliveries that wait for cards, oldest first, and who is woken when stock arrives.
//!
//! Both sides take the pool's lock: the one that is about to wait looks for cards once more under it before it inserts
//! its row, and the one that adds stock looks for rows under it before it commits. So neither misses the other.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, PoolId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// The most waits one wake looks at; a sweep comes back for the rest.
const MOST_WAITS: i64 = 5_000;

/// A wait to insert.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewWait {
    /// Who waits.
    pub delivery: DeliveryId,
    /// For cards of this pool.
    pub pool: PoolId,
    /// The delivery's shop.
    pub shop: ShopId,
    /// How many cards it needs.
    pub cards: i32,
    /// Since when; decides who is first.
    pub since: DateTime<Utc>,
}

/// A wait.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct WaitRow {
    /// Who waits.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub delivery: DeliveryId,
    /// The delivery's shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// How many cards it needs.
    #[diesel(sql_type = Integer)]
    pub cards: i32,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub since: DateTime<Utc>,
}

pub(crate) const INSERT: &str =
    "INSERT INTO stock_waits AS w (delivery_id, merchant_id, pool_id, shop_id, cards, since)
         SELECT g.delivery_id, $1, g.pool_id, g.shop_id, g.cards, g.since
           FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::integer[], $6::timestamptz[])
                AS g (delivery_id, pool_id, shop_id, cards, since)
         ON CONFLICT (delivery_id) DO UPDATE SET pool_id = excluded.pool_id, cards = excluded.cards
          WHERE w.pool_id <> excluded.pool_id OR w.cards <> excluded.cards";

/// Inserts waits, under their pools' locks; who waits already keeps its place.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, waits: &[NewWait]) -> Result<(), StoreError> {
    if waits.is_empty() {
        return Ok(());
    }
    let merchant = tx.merchant();
    sql(INSERT)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(waits.iter().map(|wait| wait.delivery.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(waits.iter().map(|wait| wait.pool.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(waits.iter().map(|wait| wait.shop.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(waits.iter().map(|wait| wait.cards).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(waits.iter().map(|wait| wait.since).collect::<Vec<_>>())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

pub(crate) const DELETE: &str = "DELETE FROM stock_waits WHERE merchant_id = $1 AND delivery_id = ANY($2)";

/// Deletes waits of deliveries that got their cards or need none any more.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql(DELETE)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lists a pool's waits, oldest first. Index stock_waits_of_pool.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, pool: PoolId, limit: i64) -> Result<Vec<WaitRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT delivery_id AS delivery, shop_id AS shop, cards, since FROM stock_waits
             WHERE merchant_id = $1 AND pool_id = $2 ORDER BY since, delivery_id LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Makes those due whom the pool's stock covers, oldest first; returns their shops, each once.
///
/// The caller holds the pool's lock. Whoever needs more than is left is passed over and keeps its place: what is left
/// would otherwise lie idle until a younger order took it.
///
/// # Errors
/// When a statement fails.
pub async fn wake(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>) -> Result<Vec<ShopId>, StoreError> {
    let waits = list_of_live_shops(tx, pool).await?;
    let needed: i64 = waits.iter().map(|wait| i64::from(wait.cards)).sum();
    if needed == 0 {
        return Ok(Vec::new());
    }
    let mut left = count_claimable(tx, pool, now, needed).await?;
    let covered: Vec<Uuid> = waits
        .iter()
        .filter(|wait| {
            let cards = i64::from(wait.cards);
            let fits = cards <= left;
            left -= if fits { cards } else { 0 };
            fits
        })
        .map(|wait| wait.delivery.as_uuid())
        .collect();
    let mut shops = make_due(tx, covered, now).await?;
    shops.sort_unstable();
    shops.dedup();
    Ok(shops)
}

pub(crate) const LIST_OF_LIVE_SHOPS: &str = "SELECT w.delivery_id AS delivery, w.shop_id AS shop, w.cards, w.since
              FROM stock_waits w JOIN shops s ON s.id = w.shop_id AND s.merchant_id = w.merchant_id
             WHERE w.merchant_id = $1 AND w.pool_id = $2 AND s.state = 'live'
             ORDER BY w.since, w.delivery_id LIMIT $3";

/// Lists the waits that stock would set going: those of shops that deliver. Others would hold stock back from them.
async fn list_of_live_shops(tx: &mut TenantTx, pool: PoolId) -> Result<Vec<WaitRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(LIST_OF_LIVE_SHOPS)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(pool.as_uuid())
        .bind::<BigInt, _>(MOST_WAITS)
        .load(tx.conn()?)
        .await?)
}

pub(crate) const COUNT_CLAIMABLE: &str = "SELECT count(*) AS n FROM (
             SELECT FROM card_uses u JOIN card_pools p ON p.id = u.pool_id AND p.merchant_id = u.merchant_id
              WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'available'
                AND (u.expires_at IS NULL OR u.expires_at > $3 + make_interval(secs => p.min_validity_s))
              LIMIT $4) claimable";

/// Counts cards that could be claimed now, up to a number. Index card_uses_available.
async fn count_claimable(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>, up_to: i64) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let merchant = tx.merchant();
    let row: Counted = sql(COUNT_CLAIMABLE)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(pool.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(up_to)
        .get_result(tx.conn()?)
        .await?;
    Ok(row.n)
}

pub(crate) const MAKE_DUE: &str = "UPDATE deliveries d SET due_at = least(d.due_at, $3)
           FROM (SELECT id FROM deliveries WHERE merchant_id = $1 AND id = ANY($2) AND state = 'pending'
                  ORDER BY id FOR UPDATE SKIP LOCKED) free
          WHERE d.merchant_id = $1 AND d.id = free.id
         RETURNING d.shop_id AS shop";

async fn make_due(tx: &mut TenantTx, deliveries: Vec<Uuid>, now: DateTime<Utc>) -> Result<Vec<ShopId>, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        shop: ShopId,
    }
    let merchant = tx.merchant();
    // Locks go delivery → pool, and the pool is ours already: a delivery that somebody holds is about to ask for this
    // pool's lock and to find the new stock, so it is passed over instead of waited for.
    let due: Vec<Due> = sql(MAKE_DUE)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries)
        .bind::<Timestamptz, _>(now)
        .load(tx.conn()?)
        .await?;
    Ok(due.into_iter().map(|row| row.shop).collect())
}
