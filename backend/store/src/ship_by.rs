//! Orders whose latest shipping time nears or has passed while nothing was handed over.
//!
//! What concerns nobody is left out: orders that may not be shipped now (an open refund, a risk review), the backlog that
//! a person keeps back, and shops that never went live.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Date, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderId, ReasonCode, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::system::OwnedShop;
use crate::tx::{SystemTx, TenantTx};

/// An order that is to be told about.
#[derive(Debug, Clone, QueryableByName)]
pub struct LateOrder {
    #[diesel(sql_type = Date)]
    order_day: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// The order's number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Where the engine is with it.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Until when the platform wants it handed over.
    #[diesel(sql_type = Timestamptz)]
    pub last_ship_at: DateTime<Utc>,
}

impl LateOrder {
    /// Returns the order's key.
    #[must_use]
    pub const fn order(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.id) }
    }
}

/// Lists the shops that have something to tell or to take back, at most `limit`.
///
/// # Errors
/// When the statement fails.
pub async fn list_shops(
    tx: &mut SystemTx,
    near: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i32,
) -> Result<Vec<OwnedShop>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, shop_id AS shop FROM system_ship_by_shops($1, $2, $3)")
        .bind::<Timestamptz, _>(near)
        .bind::<Timestamptz, _>(now)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists a shop's orders to be shipped before `near` of which nobody was told yet, or, once it is past, not yet that it
/// is past. Indexes orders_ship_by, exceptions_of_order. The same conditions as in `system_ship_by_shops`.
///
/// # Errors
/// When the statement fails.
pub async fn list_untold(
    tx: &mut TenantTx,
    shop: ShopId,
    near: DateTime<Utc>,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<LateOrder>, StoreError> {
    Ok(sql("SELECT o.order_day, o.id, o.order_sn, o.state, o.last_ship_at
              FROM orders o JOIN shops s ON s.id = o.shop_id AND s.merchant_id = o.merchant_id
             WHERE o.merchant_id = $1 AND o.shop_id = $2
               AND o.to_ship
               AND o.last_ship_at <= $3
               AND o.confirm_status = 1 AND o.refund_status = 1 AND o.risk_control_status = 0
               AND s.state IN ('live', 'stopped') AND s.deliver_from IS NOT NULL
               AND NOT EXISTS (SELECT FROM exceptions e
                                WHERE e.merchant_id = $1 AND e.shop_id = o.shop_id AND e.order_sn = o.order_sn
                                  AND e.code = $5 AND (o.last_ship_at > $4 OR e.needs_review))
             ORDER BY o.last_ship_at, o.order_sn LIMIT $6")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(near)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(ReasonCode::ShipByNear.as_str())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Makes the open exceptions of these orders, near until now, ones that a person must see: the time is past.
///
/// # Errors
/// When the statement fails.
pub async fn update_past(tx: &mut TenantTx, shop: ShopId, sns: &[&str]) -> Result<usize, StoreError> {
    Ok(sql("UPDATE exceptions SET needs_review = true, detail = detail || '{\"past\": true}'
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND code = $4
               AND resolved_at IS NULL AND NOT needs_review")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.to_vec())
    .bind::<Text, _>(ReasonCode::ShipByNear.as_str())
    .execute(tx.conn()?)
    .await?)
}

/// Resolves the open exceptions of a shop's orders that need not be hurried any more: handed over by whatever way, closed,
/// kept back by the platform, or given more time. Index exceptions_one_open.
///
/// # Errors
/// When the statement fails.
pub async fn resolve_settled(
    tx: &mut TenantTx,
    shop: ShopId,
    near: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    Ok(sql("UPDATE exceptions e SET resolved_at = $4, resolution = 'handed over, closed or given more time'
             WHERE e.merchant_id = $1 AND e.shop_id = $2 AND e.code = $5 AND e.resolved_at IS NULL
               AND NOT EXISTS (SELECT FROM orders o
                                WHERE o.merchant_id = $1 AND o.order_day = e.order_day AND o.id = e.order_id
                                  AND o.last_ship_at <= $3
                                  AND o.to_ship
                                  AND o.confirm_status = 1 AND o.refund_status = 1 AND o.risk_control_status = 0)")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(near)
    .bind::<Timestamptz, _>(now)
    .bind::<Text, _>(ReasonCode::ShipByNear.as_str())
    .execute(tx.conn()?)
    .await?)
}
