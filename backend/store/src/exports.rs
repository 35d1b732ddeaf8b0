//! Orders as an export writes them: every column a text, page after page.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;
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
