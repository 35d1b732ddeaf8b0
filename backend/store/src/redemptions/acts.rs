//! What people, buyers and other programs do to redemptions, and what an after-sale does.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bytea, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, LineId, OrderId, OrderSn, RedemptionId, RedemptionMethod, RedemptionState, ShopId};
use uuid::Uuid;

use super::ChangedRow;
use super::due::SealedCode;
use crate::cards::NUMBER;
use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::platform_stock::PLATFORM_CODE;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// A redemption as a person sees it.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct RedemptionRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    delivery_id: Uuid,
    #[diesel(sql_type = Date)]
    order_day: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub use_no: i32,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub due_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Jsonb)]
    pub explanation: serde_json::Value,
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
    #[diesel(sql_type = Jsonb)]
    pub outcome: serde_json::Value,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub done_at: Option<DateTime<Utc>>,
}

impl RedemptionRow {
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

    /// Returns the state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<RedemptionState, StoreError> {
        parsed(&self.state)
    }
}

/// Lists the redemptions of orders, by delivery and line. Indexes deliveries_once and redemptions_of_delivery.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, shop: ShopId, sns: &[OrderSn]) -> Result<Vec<RedemptionRow>, StoreError> {
    Ok(sql("SELECT r.id, r.delivery_id, r.order_day, r.order_id, r.use_no, r.method, r.state, r.due_at, r.explanation,
                   r.approved_by, r.trans_no, r.fence, r.attempts, r.failures, r.outcome, r.done_at
              FROM deliveries d JOIN redemptions r ON r.merchant_id = $1 AND r.delivery_id = d.id
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
             ORDER BY d.order_sn, r.line_id, r.use_no")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.iter().map(OrderSn::as_str).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}

/// A person's decision about redemptions.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// In which shop.
    pub shop: ShopId,
    /// About which order.
    pub order_sn: &'a OrderSn,
    /// When.
    pub now: DateTime<Utc>,
}

/// Approves every redemption of an order that is neither done nor being called: the rules are not asked again. A call
/// that was left to a person is looked up again. Returns how many rows this concerned.
///
/// # Errors
/// When the connection is lost.
pub async fn approve(
    tx: &mut TenantTx,
    decision: Decision<'_>,
    actor: &str,
    explanation: &serde_json::Value,
) -> Result<usize, StoreError> {
    let merchant = tx.merchant().as_uuid();
    let approved = sql("UPDATE redemptions r
               SET state = 'waiting', approved_by = $5, explanation = $6, due_at = $4, failures = 0, fence = r.fence + 1
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = $3
               AND r.merchant_id = $1 AND r.delivery_id = d.id AND r.state IN ('waiting', 'awaiting_approval', 'stopped')")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(decision.shop.as_uuid())
    .bind::<Text, _>(decision.order_sn.as_str())
    .bind::<Timestamptz, _>(decision.now)
    .bind::<Text, _>(actor)
    .bind::<Jsonb, _>(explanation)
    .execute(tx.conn()?)
    .await?;
    // Not made to wait: what such a call did is unknown, and only its resolution may lead to another call.
    let looked_up = sql("UPDATE redemptions r SET due_at = $4, failures = 0, approved_by = $5
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = $3
               AND r.merchant_id = $1 AND r.delivery_id = d.id AND r.state = 'calling' AND r.due_at IS NULL")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(decision.shop.as_uuid())
    .bind::<Text, _>(decision.order_sn.as_str())
    .bind::<Timestamptz, _>(decision.now)
    .bind::<Text, _>(actor)
    .execute(tx.conn()?)
    .await?;
    Ok(approved + looked_up)
}

/// Stops every redemption of orders that is neither done nor being called. Returns the deliveries that had one.
///
/// A call that is open is not stopped: it may already have taken place, and its resolution finds the after-sale.
///
/// # Errors
/// When the connection is lost.
pub async fn stop(
    tx: &mut TenantTx,
    shop: ShopId,
    sns: &[OrderSn],
    explanation: &serde_json::Value,
) -> Result<Vec<DeliveryId>, StoreError> {
    if sns.is_empty() {
        return Ok(Vec::new());
    }
    let stopped: Vec<ChangedRow> = sql("WITH stopped AS (
            UPDATE redemptions r SET state = 'stopped', due_at = NULL, approved_by = NULL, explanation = $4, fence = r.fence + 1
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
               AND r.merchant_id = $1 AND r.delivery_id = d.id AND r.state IN ('waiting', 'awaiting_approval')
            RETURNING r.delivery_id)
        SELECT DISTINCT delivery_id AS id FROM stopped")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.iter().map(OrderSn::as_str).collect::<Vec<_>>())
    .bind::<Jsonb, _>(explanation)
    .load(tx.conn()?)
    .await?;
    Ok(stopped.into_iter().map(|row| DeliveryId::from_uuid(row.id)).collect())
}

/// Puts approvals of orders back to the rules: an after-sale was opened since the person decided.
///
/// # Errors
/// When the connection is lost.
pub async fn withdraw_approval(tx: &mut TenantTx, shop: ShopId, sns: &[OrderSn]) -> Result<usize, StoreError> {
    Ok(sql("UPDATE redemptions r SET approved_by = NULL, fence = r.fence + 1
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
               AND r.merchant_id = $1 AND r.delivery_id = d.id AND r.state = 'waiting' AND r.approved_by IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.iter().map(OrderSn::as_str).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?)
}

/// Locks orders in the order of their keys: before deliveries and redemptions, as whoever reads the platform does.
///
/// # Errors
/// When the connection is lost or a lock is not to be had.
pub async fn lock_orders(tx: &mut TenantTx, keys: &[OrderKey]) -> Result<(), StoreError> {
    if keys.is_empty() {
        return Ok(());
    }
    sql("SELECT o.id FROM unnest($2::date[], $3::uuid[]) AS i (day, id)
           JOIN orders o ON o.merchant_id = $1 AND o.order_day = i.day AND o.id = i.id
          ORDER BY o.order_sn FOR UPDATE OF o")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<Date>, _>(keys.iter().map(|key| key.day).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(keys.iter().map(|key| key.id.as_uuid()).collect::<Vec<_>>())
    .load::<ChangedRow>(tx.conn()?)
    .await?;
    Ok(())
}

/// Records when the use of an order's codes was reported; the first report stays. Returns whether this was the first.
///
/// # Errors
/// When the connection is lost.
pub async fn record_use(tx: &mut TenantTx, order: OrderKey, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let changed = sql("UPDATE orders SET use_reported_at = $4
                        WHERE merchant_id = $1 AND order_day = $2 AND id = $3 AND use_reported_at IS NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Date, _>(order.day)
    .bind::<SqlUuid, _>(order.id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(changed == 1)
}

/// Records when the buyer first saw the codes. Returns whether this was the first time.
///
/// # Errors
/// When the connection is lost.
pub async fn record_seen(tx: &mut TenantTx, order: OrderKey, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let changed = sql("UPDATE orders SET seen_by_buyer_at = $4
                        WHERE merchant_id = $1 AND order_day = $2 AND id = $3 AND seen_by_buyer_at IS NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Date, _>(order.day)
    .bind::<SqlUuid, _>(order.id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(changed == 1)
}

/// A line whose card may have to be reported as destroyed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct BurnedLine {
    #[diesel(sql_type = SqlUuid)]
    line_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    shop_id: Uuid,
    #[diesel(sql_type = Date)]
    order_day: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Text)]
    use_state: String,
    #[diesel(sql_type = SqlUuid)]
    card_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    card_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    number_sealed: Vec<u8>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub burned_at: Option<DateTime<Utc>>,
}

impl BurnedLine {
    /// Returns the line.
    #[must_use]
    pub const fn line(&self) -> LineId {
        LineId::from_uuid(self.line_id)
    }

    /// Returns the shop.
    #[must_use]
    pub const fn shop(&self) -> ShopId {
        ShopId::from_uuid(self.shop_id)
    }

    /// Returns the order.
    #[must_use]
    pub const fn order(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.order_id) }
    }

    /// Returns the delivery method.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn method(&self) -> Result<kamiflow_kernel::DeliveryMethod, StoreError> {
        parsed(&self.method)
    }

    /// Returns where the card use is.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn use_state(&self) -> Result<kamiflow_kernel::CardUseState, StoreError> {
        parsed(&self.use_state)
    }

    /// Returns the card's number, sealed.
    #[must_use]
    pub fn code(&self) -> SealedCode<'_> {
        SealedCode {
            key: kamiflow_kernel::DataKeyId::from_uuid(self.card_key_id),
            place: NUMBER,
            row: self.card_id,
            sealed: &self.number_sealed,
        }
    }
}

/// Lists the lines of a delivery that hold a card, live or not, with the moment the card was burned.
///
/// # Errors
/// When the connection is lost.
pub async fn list_lines_with_cards(tx: &mut TenantTx, delivery: DeliveryId) -> Result<Vec<BurnedLine>, StoreError> {
    Ok(sql("SELECT l.id AS line_id, d.shop_id, d.order_day, d.order_id, d.order_sn, d.method, u.state AS use_state,
                   c.id AS card_id, c.data_key_id AS card_key_id, c.number_sealed,
                   (SELECT g.at FROM card_ledger g
                     WHERE g.merchant_id = $1 AND g.card_use_id = u.id AND g.seq = u.ledger_seq) AS burned_at
              FROM deliveries d
              JOIN delivery_lines l ON l.merchant_id = $1 AND l.delivery_id = d.id
              JOIN card_uses u ON u.merchant_id = $1 AND u.id = l.card_use_id
              JOIN cards c ON c.merchant_id = $1 AND c.id = u.card_id
             WHERE d.merchant_id = $1 AND d.id = $2 ORDER BY l.line_no, l.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// A line whose code the platform makes.
#[derive(Debug, Clone, QueryableByName)]
pub struct PlatformLine {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    data_key_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Bytea>)]
    platform_code_sealed: Option<Vec<u8>>,
}

impl PlatformLine {
    /// Returns the line.
    #[must_use]
    pub const fn line(&self) -> LineId {
        LineId::from_uuid(self.id)
    }

    /// Returns the code, sealed, where it is known.
    #[must_use]
    pub fn code(&self) -> Option<SealedCode<'_>> {
        let (key, sealed) = self.data_key_id.zip(self.platform_code_sealed.as_deref())?;
        let key = kamiflow_kernel::DataKeyId::from_uuid(key);
        Some(SealedCode { key, place: PLATFORM_CODE, row: self.id, sealed })
    }
}

/// Lists the live lines of a delivery that hold no card of ours, by number.
///
/// # Errors
/// When the connection is lost.
pub async fn list_platform_lines(tx: &mut TenantTx, delivery: DeliveryId) -> Result<Vec<PlatformLine>, StoreError> {
    Ok(sql("SELECT l.id, l.data_key_id, l.platform_code_sealed FROM delivery_lines l
             WHERE l.merchant_id = $1 AND l.delivery_id = $2 AND l.live AND l.card_use_id IS NULL
             ORDER BY l.line_no")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Stores the code of a line that the platform made and somebody told us. Only ever once per line.
///
/// # Errors
/// When the connection is lost, or the key is not the merchant's.
pub async fn set_platform_code(tx: &mut TenantTx, line: LineId, code: &[u8]) -> Result<bool, StoreError> {
    let key = tx.data_key().await?;
    let sealed = key.seal(PLATFORM_CODE, line.as_uuid(), code)?;
    let changed = sql("UPDATE delivery_lines SET data_key_id = $3, platform_code_sealed = $4
                        WHERE merchant_id = $1 AND id = $2 AND platform_code_sealed IS NULL AND card_use_id IS NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(line.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .execute(tx.conn()?)
    .await?;
    Ok(changed == 1)
}
