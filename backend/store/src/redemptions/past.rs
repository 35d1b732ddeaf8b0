//! Delivered orders as rules would have seen them: what a dry run reads.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Date, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A delivered order.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct PastRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Date)]
    order_day: NaiveDate,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = SqlUuid)]
    shop_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub sku_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub product_id: Uuid,
    #[diesel(sql_type = Text)]
    pub redemption_method: String,
    #[diesel(sql_type = SmallInt)]
    pub refund_status: i16,
    #[diesel(sql_type = SmallInt)]
    pub after_sales_status: i16,
    #[diesel(sql_type = BigInt)]
    pub pay_amount_fen: i64,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub received_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub seen_by_buyer_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub use_reported_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    seen_at: DateTime<Utc>,
}

impl PastRow {
    /// Returns the order.
    #[must_use]
    pub const fn order(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.id) }
    }

    /// Returns the shop.
    #[must_use]
    pub const fn shop(&self) -> ShopId {
        ShopId::from_uuid(self.shop_id)
    }

    /// Returns where the next page starts.
    #[must_use]
    pub const fn cursor(&self) -> PastCursor {
        PastCursor { seen_at: self.seen_at, id: self.id }
    }
}

/// The last order of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PastCursor {
    seen_at: DateTime<Utc>,
    id: Uuid,
}

/// Lists delivered orders, newest first, read shop by shop. Indexes shops_of_merchant, orders_of_shop.
///
/// # Errors
/// When the connection is lost.
pub async fn list(
    tx: &mut TenantTx,
    shop: Option<ShopId>,
    after: Option<PastCursor>,
    limit: i64,
) -> Result<Vec<PastRow>, StoreError> {
    // Without a cursor the comparison is with the end of time: one text, one plan.
    let (seen_at, id) = after.map_or((far_future(), Uuid::max()), |at| (at.seen_at, at.id));
    Ok(sql("SELECT o.* FROM shops s
              CROSS JOIN LATERAL (
                SELECT o.id, o.order_day, o.order_sn, o.shop_id, d.sku_id, k.product_id, d.redemption_method,
                       o.refund_status, o.after_sales_status, o.pay_amount_fen,
                       coalesce(o.delivered_at, d.delivered_at) AS delivered_at, o.received_at, o.seen_by_buyer_at,
                       o.use_reported_at, o.seen_at
                  FROM orders o
                  JOIN deliveries d ON d.merchant_id = $1 AND d.shop_id = o.shop_id AND d.order_sn = o.order_sn
                                   AND d.delivered_at IS NOT NULL
                  JOIN skus k ON k.merchant_id = $1 AND k.id = d.sku_id
                 WHERE o.merchant_id = $1 AND o.shop_id = s.id AND (o.seen_at, o.id) < ($2, $3)
                 ORDER BY o.seen_at DESC, o.id DESC LIMIT $5) AS o
              WHERE s.merchant_id = $1 AND ($4::uuid IS NULL OR s.id = $4)
              ORDER BY o.seen_at DESC, o.id DESC LIMIT $5")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(seen_at)
    .bind::<SqlUuid, _>(id)
    .bind::<Nullable<SqlUuid>, _>(shop.map(ShopId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Later than any order, and within what Postgres can hold.
fn far_future() -> DateTime<Utc> {
    DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}
