//! Orders that wait for a shop to go live, and those that only a person releases.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderId, OrderSn, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An order that is held.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct HeldOrder {
    /// The day of its key.
    #[diesel(sql_type = Date)]
    pub order_day: NaiveDate,
    /// The id of its key.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: OrderId,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// When it was paid.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub paid_at: Option<DateTime<Utc>>,
}

impl HeldOrder {
    /// Returns the order's key.
    #[must_use]
    pub const fn key(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: self.id }
    }
}

/// Which orders are released.
#[derive(Debug, Clone, Copy)]
pub struct Release<'a> {
    /// The shop.
    pub shop: ShopId,
    /// These, whenever they were paid.
    pub orders: &'a [OrderSn],
    /// And the held ones that were paid since.
    pub paid_since: DateTime<Utc>,
}

/// Lists a shop's held orders, the earliest paid first. Index orders_backlog.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, shop: ShopId, limit: i64) -> Result<Vec<HeldOrder>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT order_day, id, order_sn, paid_at FROM orders
             WHERE merchant_id = $1 AND shop_id = $2 AND held_back ORDER BY paid_at, id LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Releases orders: they are decided about as if they had been paid after the shop's start. Returns which.
///
/// # Errors
/// When the statement fails.
pub async fn release(tx: &mut TenantTx, release: &Release<'_>) -> Result<Vec<HeldOrder>, StoreError> {
    let merchant = tx.merchant();
    // In trial run nothing is held, so a ticked order may still be merely seen; the cause is what counts.
    Ok(sql("UPDATE orders o SET state = 'seen', state_cause = 'released_backlog', verdict = 'released'
           FROM (SELECT order_day, id FROM orders
                  WHERE merchant_id = $1 AND shop_id = $2
                    AND (state IN ('seen', 'held_backlog') AND order_sn = ANY($3)
                         OR state = 'held_backlog' AND paid_at >= $4)
                  ORDER BY order_sn FOR UPDATE) r
          WHERE o.merchant_id = $1 AND o.order_day = r.order_day AND o.id = r.id
         RETURNING o.order_day, o.id, o.order_sn, o.paid_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(release.shop.as_uuid())
    .bind::<Array<Text>, _>(release.orders.iter().map(OrderSn::as_str).collect::<Vec<_>>())
    .bind::<Timestamptz, _>(release.paid_since)
    .load(tx.conn()?)
    .await?)
}

/// Hints every order of a shop that is seen and not yet shipped, so that the deliver pool decides about it anew;
/// returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn hint_seen(tx: &mut TenantTx, shop: ShopId, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("INSERT INTO order_hints AS h (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
            SELECT DISTINCT o.shop_id, o.order_sn, o.merchant_id, $3::timestamptz, $3::timestamptz, 'person'
              FROM orders o
             WHERE o.merchant_id = $1 AND o.shop_id = $2 AND o.state = 'seen' AND o.order_status <= 1
             ORDER BY o.order_sn
            ON CONFLICT (shop_id, order_sn) DO UPDATE
               SET dirty_since = greatest(h.dirty_since, excluded.dirty_since), due_at = least(h.due_at, excluded.due_at),
                   tries = 0, source = excluded.source")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?)
}

/// Hints the orders of a shop whose SKU asks for a mapping, because more is known about its products now; returns how
/// many. Index exceptions_one_open.
///
/// # Errors
/// When the statement fails.
pub async fn hint_unmapped(tx: &mut TenantTx, shop: ShopId, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("INSERT INTO order_hints AS h (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
            SELECT DISTINCT e.shop_id, e.order_sn, e.merchant_id, $3::timestamptz, $3::timestamptz, 'person'
              FROM exceptions e
             WHERE e.merchant_id = $1 AND e.shop_id = $2 AND e.code = 'unmapped_sku' AND e.resolved_at IS NULL
             ORDER BY e.order_sn
            ON CONFLICT (shop_id, order_sn) DO UPDATE
               SET dirty_since = greatest(h.dirty_since, excluded.dirty_since), due_at = least(h.due_at, excluded.due_at),
                   tries = 0, source = excluded.source")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?)
}
