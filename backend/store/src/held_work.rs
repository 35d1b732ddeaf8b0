//! What is under way that a pause holds back: counted for banners, and in the order in which it goes on.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{BatchId, PoolId, ShopId, SkuId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{Sql, sql};
use crate::tx::TenantTx;

/// Whose work is meant; what is `None` does not matter.
#[derive(Debug, Clone, Copy, Default)]
pub struct HeldBy<'a> {
    /// The shops that somebody is limited to.
    pub shops: Option<&'a [ShopId]>,
    /// One shop.
    pub shop: Option<ShopId>,
    /// One SKU.
    pub sku: Option<SkuId>,
    /// What takes cards of one pool.
    pub pool: Option<PoolId>,
    /// What holds a card of one batch.
    pub batch: Option<BatchId>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, QueryableByName)]
pub struct HeldWork {
    /// Deliveries that have not left us.
    #[diesel(sql_type = BigInt)]
    pub deliveries: i64,
    /// Redemptions that were not called for.
    #[diesel(sql_type = BigInt)]
    pub redemptions: i64,
}

/// A delivery that goes on first.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct NextDelivery {
    /// The order.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Until when it must be shipped.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_ship_at: Option<DateTime<Utc>>,
}

/// Deliveries `d` that a pause of a scope would hold back.
macro_rules! held {
    () => {
        "d.merchant_id = $1 AND ($2 IS NULL OR d.shop_id = ANY ($2)) AND ($3 IS NULL OR d.shop_id = $3)
            AND ($4 IS NULL OR d.sku_id = $4) AND ($5 IS NULL OR d.pool_id = $5)
            AND ($6 IS NULL OR EXISTS (
                SELECT FROM delivery_lines l
                  JOIN card_uses u ON u.merchant_id = $1 AND u.id = l.card_use_id
                  JOIN cards c ON c.merchant_id = $1 AND c.id = u.card_id
                 WHERE l.merchant_id = $1 AND l.delivery_id = d.id AND l.live AND c.batch_id = $6))"
    };
}

macro_rules! waiting {
    () => {
        "d.due_at IS NOT NULL AND d.state IN ('pending', 'reserved') AND d.method NOT IN ('platform_pool', 'platform_codes')"
    };
}

const COUNT: &str = concat!(
    "SELECT (SELECT count(*) FROM deliveries d WHERE ",
    waiting!(),
    " AND ",
    held!(),
    ") AS deliveries,
            (SELECT count(*) FROM redemptions r JOIN deliveries d ON d.merchant_id = $1 AND d.id = r.delivery_id
              WHERE r.merchant_id = $1 AND r.due_at IS NOT NULL AND r.state = 'waiting' AND ",
    held!(),
    ") AS redemptions"
);

const NEXT: &str = concat!(
    "SELECT d.order_sn, d.last_ship_at FROM deliveries d WHERE ",
    waiting!(),
    " AND ",
    held!(),
    " ORDER BY d.last_ship_at NULLS LAST, d.due_at LIMIT $7"
);

fn asked<'a>(statement: &'static str, tx: &TenantTx, by: HeldBy<'_>) -> Sql<'a> {
    let shops = by.shops.map(|shops| shops.iter().map(|shop| shop.as_uuid()).collect::<Vec<Uuid>>());
    sql(statement)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Nullable<Array<SqlUuid>>, _>(shops)
        .bind::<Nullable<SqlUuid>, _>(by.shop.map(ShopId::as_uuid))
        .bind::<Nullable<SqlUuid>, _>(by.sku.map(SkuId::as_uuid))
        .bind::<Nullable<SqlUuid>, _>(by.pool.map(PoolId::as_uuid))
        .bind::<Nullable<SqlUuid>, _>(by.batch.map(BatchId::as_uuid))
}

/// Counts work that a pause would hold back. Indexes deliveries_due, redemptions_due.
///
/// # Errors
/// When the statement fails.
pub async fn count(tx: &mut TenantTx, by: HeldBy<'_>) -> Result<HeldWork, StoreError> {
    Ok(asked(COUNT, tx, by).get_result(tx.conn()?).await?)
}

/// Lists the deliveries that go on first when a pause ends, as a tick takes them. Index deliveries_due.
///
/// # Errors
/// When the statement fails.
pub async fn list_next(tx: &mut TenantTx, by: HeldBy<'_>, limit: i64) -> Result<Vec<NextDelivery>, StoreError> {
    Ok(asked(NEXT, tx, by).bind::<BigInt, _>(limit).load(tx.conn()?).await?)
}
