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
         ON CONFLICT (merchant_id, delivery_id) DO UPDATE SET pool_id = excluded.pool_id, cards = excluded.cards
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
    if deliveries.is_empty() {
        return Ok(());
    }
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

/// Makes those due whom the pool's stock covers, oldest first; returns the shops that are to look, each once.
///
/// The caller holds the pool's lock. Whoever needs more than is left is passed over and keeps its place: what is left
/// would otherwise lie idle until a younger order took it. Only who could be served right now counts: stock that is kept
/// for a paused SKU, a shop without a token or an order under refund would be kept from everybody.
///
/// # Errors
/// When a statement fails.
pub async fn wake(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>) -> Result<Vec<ShopId>, StoreError> {
    let waits = list_deliverable(tx, pool, now).await?;
    let needed: i64 = waits.iter().map(|wait| i64::from(wait.cards)).sum();
    if needed == 0 {
        return Ok(Vec::new());
    }
    let mut left = count_claimable(tx, pool, now, needed).await?;
    let covered: Vec<&WaitRow> = waits
        .iter()
        .filter(|wait| {
            let cards = i64::from(wait.cards);
            let fits = cards <= left;
            left -= if fits { cards } else { 0 };
            fits
        })
        .collect();
    let due = make_due(tx, &covered, now).await?;
    let missed: Vec<Uuid> =
        covered.iter().filter(|wait| !due.contains(&wait.delivery)).map(|wait| wait.delivery.as_uuid()).collect();
    mark_missed(tx, missed, now).await?;
    let mut shops: Vec<ShopId> = covered.iter().map(|wait| wait.shop).collect();
    shops.sort_unstable();
    shops.dedup();
    Ok(shops)
}

pub(crate) const LIST_DELIVERABLE: &str = "SELECT w.delivery_id AS delivery, w.shop_id AS shop, w.cards, w.since
              FROM stock_waits w
              JOIN deliveries d ON d.merchant_id = $1 AND d.id = w.delivery_id AND d.state = 'pending'
              JOIN shops s ON s.merchant_id = $1 AND s.id = w.shop_id AND s.state = 'live'
              JOIN applications a ON a.merchant_id = s.application_merchant_id AND a.id = s.application_id
             WHERE w.merchant_id = $1 AND w.pool_id = $2 AND a.state = 'active'
               AND NOT EXISTS (SELECT FROM credentials c
                     WHERE c.merchant_id = $1 AND c.shop_id = w.shop_id AND c.dead_reason IS NOT NULL)
               AND NOT EXISTS (SELECT FROM pauses p
                     WHERE p.merchant_id = $1 AND p.work = 'delivery' AND (p.ends_at IS NULL OR p.ends_at > $3)
                       AND (p.scope = 'merchant' OR p.scope = 'shop' AND p.target_id = w.shop_id
                            OR p.scope = 'sku' AND p.target_id = d.sku_id
                            OR p.scope = 'pool' AND p.target_id = w.pool_id))
               AND NOT EXISTS (SELECT FROM orders o
                     WHERE o.merchant_id = $1 AND o.order_day = d.order_day AND o.id = d.order_id
                       AND (o.confirm_status <> 1 OR o.order_status <> 1 OR o.refund_status <> 1
                            OR o.risk_control_status <> 0 OR o.after_sales_status NOT IN (0, 9, 11, 12)))
             ORDER BY w.since, w.delivery_id LIMIT $4";

/// Lists the waits that stock would set going. Indexes stock_waits_of_pool, deliveries_pkey.
async fn list_deliverable(tx: &mut TenantTx, pool: PoolId, now: DateTime<Utc>) -> Result<Vec<WaitRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(LIST_DELIVERABLE)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(pool.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(MOST_WAITS)
        .load(tx.conn()?)
        .await?)
}

pub(crate) const COUNT_CLAIMABLE: &str = "SELECT count(*) AS n FROM (
             SELECT FROM card_uses u JOIN card_pools p ON p.id = u.pool_id AND p.merchant_id = u.merchant_id
              WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'available'
                AND (u.expires_at IS NULL OR u.expires_at > $3 + make_interval(secs => p.min_validity_s))
                AND NOT EXISTS (SELECT FROM pauses b JOIN cards c ON c.merchant_id = $1 AND c.batch_id = b.target_id
                      WHERE b.merchant_id = $1 AND b.scope = 'batch' AND b.work = 'delivery'
                        AND (b.ends_at IS NULL OR b.ends_at > $3) AND c.id = u.card_id)
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
         RETURNING d.id";

/// Makes deliveries due that nobody holds; returns which.
///
/// Locks go delivery → pool, and the pool is ours already: waiting for a delivery that somebody holds, who may be about
/// to ask for this pool's lock, would never end.
async fn make_due(tx: &mut TenantTx, waits: &[&WaitRow], now: DateTime<Utc>) -> Result<Vec<DeliveryId>, StoreError> {
    #[derive(QueryableByName)]
    struct Due {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: DeliveryId,
    }
    let merchant = tx.merchant();
    let due: Vec<Due> = sql(MAKE_DUE)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(waits.iter().map(|wait| wait.delivery.as_uuid()).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(now)
        .load(tx.conn()?)
        .await?;
    Ok(due.into_iter().map(|row| row.id).collect())
}

/// Notes who was covered but held by somebody: the shop's next look makes it due ([`take_missed`]).
///
/// A wait that somebody holds is about to be deleted or changed, by one who may be about to ask for the pool: it is
/// passed over like the delivery.
async fn mark_missed(tx: &mut TenantTx, deliveries: Vec<Uuid>, now: DateTime<Utc>) -> Result<(), StoreError> {
    if deliveries.is_empty() {
        return Ok(());
    }
    let merchant = tx.merchant();
    sql("UPDATE stock_waits w SET missed_at = $3
           FROM (SELECT delivery_id FROM stock_waits WHERE merchant_id = $1 AND delivery_id = ANY($2)
                  ORDER BY delivery_id FOR UPDATE SKIP LOCKED) held
          WHERE w.merchant_id = $1 AND w.delivery_id = held.delivery_id")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(deliveries)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

pub(crate) const TAKE_MISSED: &str = "WITH free AS (
            SELECT d.id FROM deliveries d
             WHERE d.merchant_id = $1 AND d.id = ANY (ARRAY(SELECT w.delivery_id FROM stock_waits w
                     WHERE w.merchant_id = $1 AND w.shop_id = $2 AND w.missed_at IS NOT NULL))
             ORDER BY d.id FOR UPDATE SKIP LOCKED
        ), due AS (
            UPDATE deliveries d SET due_at = least(d.due_at, $3) FROM free
             WHERE d.merchant_id = $1 AND d.id = free.id AND d.state = 'pending'
        )
        UPDATE stock_waits w SET missed_at = NULL FROM free WHERE w.merchant_id = $1 AND w.delivery_id = free.id";

/// Makes a shop's deliveries due that stock covered while somebody held them; whoever is still held stays noted.
/// Index stock_waits_missed.
///
/// # Errors
/// When the statement fails.
pub async fn take_missed(tx: &mut TenantTx, shop: ShopId, now: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(TAKE_MISSED)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .execute(tx.conn()?)
        .await?)
}

/// Lists the pools that deliveries of the merchant wait for, by id.
///
/// # Errors
/// When the statement fails.
pub async fn list_pools(tx: &mut TenantTx) -> Result<Vec<PoolId>, StoreError> {
    #[derive(QueryableByName)]
    struct Awaited {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        pool: PoolId,
    }
    let merchant = tx.merchant();
    let rows: Vec<Awaited> =
        sql("SELECT DISTINCT pool_id AS pool FROM stock_waits WHERE merchant_id = $1 ORDER BY pool_id")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .load(tx.conn()?)
            .await?;
    Ok(rows.into_iter().map(|row| row.pool).collect())
}
