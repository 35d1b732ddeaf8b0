//! How far orders have come, for whoever waits for them: an order, its delivery and what is open about it in one row.

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Date, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, DeliveryMethod, OrderSn, OrderState, RedemptionMethod, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::partition_day;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// How far an order has come.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ProgressRow {
    /// Its number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    delivery_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    method: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    redemption_method: Option<String>,
    /// Whether the hand-over was acknowledged, whatever came after it.
    #[diesel(sql_type = Bool)]
    pub delivered: bool,
    /// Open exceptions.
    #[diesel(sql_type = BigInt)]
    pub exceptions: i64,
    /// Whether one of them lets nothing happen without a person.
    #[diesel(sql_type = Bool)]
    pub in_review: bool,
}

impl ProgressRow {
    /// Returns where the order is.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<OrderState, StoreError> {
        parsed(&self.state)
    }

    /// Returns its delivery, if it is ours to deliver.
    #[must_use]
    pub fn delivery(&self) -> Option<DeliveryId> {
        self.delivery_id.map(DeliveryId::from_uuid)
    }

    /// Returns how it is handed over.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn method(&self) -> Result<Option<DeliveryMethod>, StoreError> {
        self.method.as_deref().map(parsed).transpose()
    }

    /// Returns how it is declared used.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn redemption(&self) -> Result<Option<RedemptionMethod>, StoreError> {
        self.redemption_method.as_deref().map(parsed).transpose()
    }
}

/// Lists how far orders of a shop have come; orders that were never seen are left out. Indexes orders_once,
/// deliveries_once and exceptions_one_open, one probe each per number.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, shop: ShopId, sns: &[OrderSn]) -> Result<Vec<ProgressRow>, StoreError> {
    if sns.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sql("SELECT o.order_sn, o.state, d.id AS delivery_id, d.method, d.redemption_method,
                   d.delivered_at IS NOT NULL AS delivered, e.open AS exceptions, e.in_review
              FROM unnest($3::date[], $4::text[]) AS i (day, sn)
              JOIN orders o ON o.merchant_id = $1 AND o.shop_id = $2 AND o.order_sn = i.sn AND o.order_day = i.day
              LEFT JOIN deliveries d ON d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = i.sn
             CROSS JOIN LATERAL (SELECT count(*) AS open,
                                        coalesce(bool_or(x.blocking OR x.needs_review), false) AS in_review
                                   FROM exceptions x
                                  WHERE x.merchant_id = $1 AND x.shop_id = $2 AND x.order_sn = i.sn
                                    AND x.resolved_at IS NULL) AS e")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Date>, _>(sns.iter().map(partition_day).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(sns.iter().map(OrderSn::as_str).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}
