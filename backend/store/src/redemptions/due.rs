//! What is due, with everything a decision about it needs, in one read.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bytea, Date, Integer, Jsonb, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{
    CardId, CardUseId, DataKeyId, DeliveryId, LineId, OrderId, RedemptionId, RedemptionMethod, RedemptionState, ShopId,
};
use uuid::Uuid;

use crate::cards::NUMBER;
use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::platform_stock::PLATFORM_CODE;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// A redemption that is due, with its order, its delivery and its code, still sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct DueRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    delivery_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    line_id: Uuid,
    #[diesel(sql_type = Date)]
    order_day: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub approved_by: Option<String>,
    #[diesel(sql_type = Text)]
    pub trans_no: String,
    #[diesel(sql_type = BigInt)]
    pub fence: i64,
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    #[diesel(sql_type = Nullable<Integer>)]
    pub remain_times_before: Option<i32>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub used_at: Option<DateTime<Utc>>,
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
    #[diesel(sql_type = SqlUuid)]
    pub sku_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub product_id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub pool_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub settings: Option<serde_json::Value>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    card_use_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    card_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    card_key_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Bytea>)]
    number_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    line_key_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Bytea>)]
    platform_code_sealed: Option<Vec<u8>>,
    /// A rule that already counted this order today, through another line of it.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub counted_by: Option<Uuid>,
}

/// A sealed code and where it was sealed.
#[derive(Debug, Clone, Copy)]
pub struct SealedCode<'a> {
    /// The key.
    pub key: DataKeyId,
    /// The place.
    pub place: &'static str,
    /// The row.
    pub row: Uuid,
    /// The ciphertext.
    pub sealed: &'a [u8],
}

impl DueRow {
    /// Returns the redemption.
    #[must_use]
    pub const fn id(&self) -> RedemptionId {
        RedemptionId::from_uuid(self.id)
    }

    /// Returns the delivery.
    #[must_use]
    pub const fn delivery(&self) -> DeliveryId {
        DeliveryId::from_uuid(self.delivery_id)
    }

    /// Returns the delivery line.
    #[must_use]
    pub const fn line(&self) -> LineId {
        LineId::from_uuid(self.line_id)
    }

    /// Returns the order.
    #[must_use]
    pub const fn order(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.order_id) }
    }

    /// Returns the method.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn method(&self) -> Result<RedemptionMethod, StoreError> {
        parsed(&self.method)
    }

    /// Returns whether a call is open and waits to be resolved.
    #[must_use]
    pub fn is_calling(&self) -> bool {
        self.state == RedemptionState::Calling.as_str()
    }

    /// Returns the card use the line holds.
    #[must_use]
    pub fn card_use(&self) -> Option<CardUseId> {
        self.card_use_id.map(CardUseId::from_uuid)
    }

    /// Returns the card the line holds a use of.
    #[must_use]
    pub fn card(&self) -> Option<CardId> {
        self.card_id.map(CardId::from_uuid)
    }

    /// Returns the line's code: our card's number, or the code the platform made, where it is known.
    #[must_use]
    pub fn code(&self) -> Option<SealedCode<'_>> {
        let ours = self.card_id.zip(self.card_key_id).zip(self.number_sealed.as_deref());
        if let Some(((row, key), sealed)) = ours {
            return Some(SealedCode { key: DataKeyId::from_uuid(key), place: NUMBER, row, sealed });
        }
        let (key, sealed) = self.line_key_id.zip(self.platform_code_sealed.as_deref())?;
        Some(SealedCode { key: DataKeyId::from_uuid(key), place: PLATFORM_CODE, row: self.line_id, sealed })
    }
}

pub(crate) const LIST: &str = "WITH due AS (
            SELECT r.id FROM redemptions r
             WHERE r.merchant_id = $1 AND r.shop_id = $2 AND r.due_at <= $3 AND r.state IN ('waiting', 'calling')
             ORDER BY r.deadline_at NULLS LAST, r.due_at, r.id LIMIT $5)
        SELECT r.id, r.delivery_id, r.line_id, r.order_day, r.order_id, r.order_sn, r.method, r.state,
               r.approved_by, r.trans_no, r.fence, r.attempts, r.failures, r.remain_times_before, r.used_at,
               o.refund_status, o.after_sales_status, o.pay_amount_fen,
               coalesce(o.delivered_at, d.delivered_at) AS delivered_at, o.received_at, o.seen_by_buyer_at, o.use_reported_at,
               d.sku_id, k.product_id, d.pool_id, m.settings, u.id AS card_use_id, c.id AS card_id,
               c.data_key_id AS card_key_id, c.number_sealed, l.data_key_id AS line_key_id, l.platform_code_sealed,
               (SELECT s.rule_id FROM redemptions s
                 WHERE s.merchant_id = $1 AND s.delivery_id = r.delivery_id AND s.id <> r.id AND s.rule_id IS NOT NULL
                   AND s.state IN ('calling', 'done') AND s.started_at >= $4 LIMIT 1) AS counted_by
          FROM due
          JOIN redemptions r ON r.id = due.id AND r.merchant_id = $1
          JOIN orders o ON o.merchant_id = $1 AND o.order_day = r.order_day AND o.id = r.order_id
          JOIN deliveries d ON d.merchant_id = $1 AND d.id = r.delivery_id
          JOIN delivery_lines l ON l.merchant_id = $1 AND l.id = r.line_id
          JOIN skus k ON k.merchant_id = $1 AND k.id = d.sku_id
          LEFT JOIN sku_mappings m ON m.merchant_id = $1 AND m.sku_id = d.sku_id
          LEFT JOIN card_uses u ON u.merchant_id = $1 AND u.id = l.card_use_id
          LEFT JOIN cards c ON c.merchant_id = $1 AND c.id = u.card_id
         ORDER BY r.deadline_at NULLS LAST, r.due_at, r.id";

/// Lists what is due in a shop, the card that expires first in front. `day_start` is when today began in Shanghai.
///
/// Index redemptions_due for the choice, primary keys for the rest.
///
/// # Errors
/// When the connection is lost.
pub async fn list(
    tx: &mut TenantTx,
    shop: ShopId,
    now: DateTime<Utc>,
    day_start: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<DueRow>, StoreError> {
    Ok(sql(LIST)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<Timestamptz, _>(day_start)
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?)
}

pub(crate) const NEXT_AT: &str = "SELECT min(r.due_at) AS at FROM redemptions r
                           WHERE r.merchant_id = $1 AND r.shop_id = $2 AND r.due_at IS NOT NULL";

/// Returns when the next redemption of a shop is due. Index redemptions_due.
///
/// # Errors
/// When the connection is lost.
pub async fn next_at(tx: &mut TenantTx, shop: ShopId) -> Result<Option<DateTime<Utc>>, StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let next: Next = sql(NEXT_AT)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .get_result(tx.conn()?)
        .await?;
    Ok(next.at)
}
