//! Orders, deliveries and redemptions as an export writes them: every column a text, page after page.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::order_list::Place;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An order's cells.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct OrderCells {
    #[diesel(sql_type = Timestamptz)]
    seen_at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// Number, state, verdict, goods, specification, quantity, amount in fen, refund status; then moments in the
    /// platform's time, empty for what has not happened.
    #[diesel(sql_type = Array<Text>)]
    pub cells: Vec<String>,
}

impl OrderCells {
    /// Returns where the next page begins.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { seen_at: self.seen_at, id: self.id }
    }
}

pub(crate) const LIST: &str = "SELECT o.seen_at, o.id, ARRAY[o.order_sn, o.state, o.verdict, o.goods_name, o.goods_spec, o.goods_count::text,
            o.pay_amount_fen::text, o.refund_status::text]
        || ARRAY(SELECT coalesce(to_char(m.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), '')
                   FROM unnest(ARRAY[o.paid_at, o.last_ship_at, o.delivered_at, o.received_at, o.redeemed_at, o.seen_at])
                        WITH ORDINALITY AS m (at, n) ORDER BY m.n) AS cells
   FROM orders o
  WHERE o.merchant_id = $1 AND o.shop_id = $2 AND (o.seen_at, o.id) < ($3, $4)
  ORDER BY o.seen_at DESC, o.id DESC LIMIT $5";

/// Lists a shop's orders behind a place, the newest first. Index orders_of_shop, in a transaction for listing.
///
/// # Errors
/// When the statement fails.
pub async fn list_orders(
    tx: &mut TenantTx,
    shop: ShopId,
    after: Place,
    limit: i64,
) -> Result<Vec<OrderCells>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(LIST)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(after.seen_at)
        .bind::<SqlUuid, _>(after.id)
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// A delivery's cells.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DeliveryCells {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: DeliveryId,
    /// Its order's number, which is the place in the list.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Order number, state, method, pool, cards; then moments in the platform's time, empty for what has not happened.
    #[diesel(sql_type = Array<Text>)]
    pub cells: Vec<String>,
}

pub(crate) const DELIVERIES: &str = "SELECT d.id, d.order_sn,
        ARRAY[d.order_sn, d.state::text, d.method::text, coalesce('pool_' || replace(d.pool_id::text, '-', ''), ''),
              d.lines_expected::text]
        || ARRAY(SELECT coalesce(to_char(m.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), '')
                   FROM unnest(ARRAY[d.last_ship_at, d.created_at, d.delivered_at]) WITH ORDINALITY AS m (at, n)
                  ORDER BY m.n) AS cells
   FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn > $3 ORDER BY d.order_sn LIMIT $4";

/// Lists a shop's deliveries behind an order number, by number. Index deliveries_once, in a transaction for listing.
///
/// # Errors
/// When the statement fails.
pub async fn list_deliveries(
    tx: &mut TenantTx,
    shop: ShopId,
    after: &str,
    limit: i64,
) -> Result<Vec<DeliveryCells>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(DELIVERIES)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Text, _>(after)
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?)
}

// No index of a shop answers IS NOT DISTINCT FROM: some deliveries are asked for, not a shop's whole history.
pub(crate) const REDEMPTIONS: &str =
    "SELECT ARRAY[r.order_sn, l.item_no::text, l.line_no::text, r.use_no::text, r.method, r.state, r.trans_no]
        || ARRAY(SELECT coalesce(to_char(m.at AT TIME ZONE 'Asia/Shanghai', 'YYYY-MM-DD HH24:MI:SS'), '')
                   FROM unnest(ARRAY[r.created_at, r.used_at, r.done_at]) WITH ORDINALITY AS m (at, n)
                  ORDER BY m.n) AS cells
   FROM redemptions r JOIN delivery_lines l ON l.merchant_id = r.merchant_id AND l.id = r.line_id
  WHERE r.merchant_id = $1 AND r.shop_id IS NOT DISTINCT FROM $2 AND r.delivery_id = ANY ($3)
  ORDER BY r.order_sn, l.item_no, l.line_no, r.use_no";

/// Lists the redemptions of some of a shop's deliveries: order number, item, line, use, method, state and number towards
/// the platform; then moments in the platform's time. Index redemptions_of_delivery, in a transaction for listing.
///
/// # Errors
/// When the statement fails.
pub async fn list_redemptions(
    tx: &mut TenantTx,
    shop: ShopId,
    deliveries: &[DeliveryId],
) -> Result<Vec<Vec<String>>, StoreError> {
    #[derive(QueryableByName)]
    struct Cells {
        #[diesel(sql_type = Array<Text>)]
        cells: Vec<String>,
    }
    let merchant = tx.merchant();
    let deliveries: Vec<Uuid> = deliveries.iter().map(|id| id.as_uuid()).collect();
    let rows: Vec<Cells> = sql(REDEMPTIONS)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries)
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| row.cells).collect())
}
