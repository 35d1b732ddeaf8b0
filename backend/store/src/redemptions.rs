//! Redemptions: one row per delivery line and use, from "waits for its rule" to "the platform knows it as used".
//!
//! # Fences
//! Whoever changes a row says `AND fence = mine`; starting a call, taking one over, waking a row and every act of a
//! person raise the fence. So a worker that lost its lease, or that judged a row by facts that changed meanwhile,
//! writes nothing: the row it did not write is due and is judged again.
//!
//! # A call
//! [`calls::start`] commits state `calling` with its deadline before anything leaves us. A row in that state is
//! resolved by [`calls::take_over`] only, never before its deadline plus the time a call may take; so `due_at` of a
//! calling row is the moment it may be taken over, not the moment it may be called again.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, Date, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{
    DeliveryId, LineId, OrderId, OrderSn, RedemptionId, RedemptionMethod, RedemptionState, RuleId, ShopId,
};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::tx::TenantTx;

pub mod acts;
pub mod calls;
pub mod due;
pub mod list;
pub mod past;

/// A redemption to plan.
#[derive(Debug, Clone)]
pub struct NewRedemption<'a> {
    /// Its id.
    pub id: RedemptionId,
    /// Stable number of the use, the same for every call about it.
    pub trans_no: String,
    /// In which shop.
    pub shop: ShopId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// Of which line of it.
    pub line: LineId,
    /// Which use of the line's code, from 1.
    pub use_no: i32,
    /// Of which order.
    pub order: OrderKey,
    /// The order's number.
    pub order_sn: &'a str,
    /// How it is declared.
    pub method: RedemptionMethod,
}

/// Inserts redemptions, due at `due_at`; one that exists for its line and use stays as it is. Returns how many are new.
///
/// # Errors
/// When the connection is lost or a constraint refuses.
pub async fn insert(tx: &mut TenantTx, news: &[NewRedemption<'_>], due_at: DateTime<Utc>) -> Result<usize, StoreError> {
    if news.is_empty() {
        return Ok(0);
    }
    // The card's expiry is the latest time at which the platform accepts its use: the deadline that orders the work.
    Ok(sql("INSERT INTO redemptions (merchant_id, id, trans_no, shop_id, delivery_id, line_id, use_no, order_day, order_id,
                order_sn, method, state, due_at, deadline_at)
            SELECT $1, i.id, i.trans_no, i.shop_id, i.delivery_id, i.line_id, i.use_no, i.order_day, i.order_id, i.order_sn,
                i.method, 'waiting', $2, u.expires_at
              FROM unnest($3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::uuid[], $8::integer[], $9::date[],
                          $10::uuid[], $11::text[], $12::text[])
                AS i (id, trans_no, shop_id, delivery_id, line_id, use_no, order_day, order_id, order_sn, method)
              LEFT JOIN delivery_lines l ON l.merchant_id = $1 AND l.id = i.line_id
              LEFT JOIN card_uses u ON u.merchant_id = $1 AND u.id = l.card_use_id
            ON CONFLICT (merchant_id, line_id, use_no) DO NOTHING")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(due_at)
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|new| new.trans_no.as_str()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.shop.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.delivery.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.line.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(news.iter().map(|new| new.use_no).collect::<Vec<_>>())
    .bind::<Array<Date>, _>(news.iter().map(|new| new.order.day).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.order.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|new| new.order_sn).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|new| new.method.as_str()).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?)
}

/// Where a redemption goes.
#[derive(Debug, Clone)]
pub struct Change {
    /// Which one.
    pub id: RedemptionId,
    /// The fence the decision was made under.
    pub fence: i64,
    /// The new state; never `calling`.
    pub to: RedemptionState,
    /// When the redeem pool looks again; `None` when somebody wakes it.
    pub due_at: Option<DateTime<Utc>>,
    /// The rule that decided; `None` keeps the one written before.
    pub rule: Option<RuleId>,
    /// Why, for people.
    pub explanation: serde_json::Value,
    /// Classified failures in a row.
    pub failures: i32,
    /// What the platform said; `None` keeps what it said before.
    pub outcome: Option<serde_json::Value>,
}

pub(crate) const CHANGE: &str =
    "UPDATE redemptions r SET state = i.state, due_at = i.due_at, rule_id = coalesce(i.rule_id, r.rule_id),
                explanation = i.explanation, failures = i.failures, outcome = coalesce(i.outcome, r.outcome),
                done_at = CASE WHEN i.state = 'done' THEN $3 END
           FROM unnest($4::uuid[], $5::bigint[], $6::text[], $7::timestamptz[], $8::uuid[], $9::jsonb[], $10::integer[],
                       $11::jsonb[]) AS i (id, fence, state, due_at, rule_id, explanation, failures, outcome)
          WHERE r.merchant_id = $1 AND r.id = i.id AND r.fence = i.fence AND r.state = $2
         RETURNING r.id";

/// Changes redemptions that are still in state `from` and under the fence of the decision. Returns those that changed.
///
/// # Errors
/// When the connection is lost or the trigger refuses the way.
pub async fn change(
    tx: &mut TenantTx,
    from: RedemptionState,
    changes: &[Change],
    now: DateTime<Utc>,
) -> Result<Vec<RedemptionId>, StoreError> {
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let changed: Vec<ChangedRow> = sql(CHANGE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Text, _>(from.as_str())
        .bind::<Timestamptz, _>(now)
        .bind::<Array<SqlUuid>, _>(changes.iter().map(|change| change.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<diesel::sql_types::BigInt>, _>(changes.iter().map(|change| change.fence).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(changes.iter().map(|change| change.to.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(changes.iter().map(|change| change.due_at).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(
            changes.iter().map(|change| change.rule.map(RuleId::as_uuid)).collect::<Vec<_>>(),
        )
        .bind::<Array<Jsonb>, _>(changes.iter().map(|change| &change.explanation).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(changes.iter().map(|change| change.failures).collect::<Vec<_>>())
        .bind::<Array<Nullable<Jsonb>>, _>(changes.iter().map(|change| change.outcome.as_ref()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?;
    Ok(changed.into_iter().map(|row| RedemptionId::from_uuid(row.id)).collect())
}

#[derive(QueryableByName)]
pub(crate) struct ChangedRow {
    #[diesel(sql_type = SqlUuid)]
    pub(crate) id: Uuid,
}

/// How far the redemptions of one delivery are.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "counts of the states they are named after")]
pub struct Progress {
    #[diesel(sql_type = SqlUuid)]
    delivery_id: Uuid,
    #[diesel(sql_type = Date)]
    order_day: chrono::NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub done: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub stopped: i64,
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub open: i64,
    /// Lines that have no redemption, because their code is not known.
    #[diesel(sql_type = diesel::sql_types::BigInt)]
    pub unplanned: i64,
}

impl Progress {
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
}

pub(crate) const COUNT_PROGRESS: &str = "SELECT r.delivery_id, r.order_day, r.order_id, r.order_sn,
                   count(*) FILTER (WHERE r.state = 'done') AS done,
                   count(*) FILTER (WHERE r.state = 'stopped') AS stopped,
                   count(*) FILTER (WHERE r.state NOT IN ('done', 'stopped')) AS open,
                   greatest(d.lines_expected - count(DISTINCT r.line_id), 0) AS unplanned
              FROM redemptions r JOIN deliveries d ON d.merchant_id = $1 AND d.id = r.delivery_id
             WHERE r.merchant_id = $1 AND r.delivery_id = ANY ($2)
             GROUP BY r.delivery_id, r.order_day, r.order_id, r.order_sn, d.lines_expected";

/// Locks deliveries and counts their redemptions by state.
///
/// The lock makes the count true: two transactions that each end a different line of one delivery would otherwise
/// both miss the other's, and nobody would see that the order is redeemed. Index redemptions_of_delivery.
///
/// # Errors
/// When the connection is lost or a lock is not to be had.
pub async fn lock_progress(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<Vec<Progress>, StoreError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    let merchant = tx.merchant().as_uuid();
    let ids: Vec<Uuid> = deliveries.iter().map(|id| id.as_uuid()).collect();
    sql("SELECT d.id FROM deliveries d WHERE d.merchant_id = $1 AND d.id = ANY ($2) ORDER BY d.id FOR UPDATE")
        .bind::<SqlUuid, _>(merchant)
        .bind::<Array<SqlUuid>, _>(ids.clone())
        .load::<ChangedRow>(tx.conn()?)
        .await?;
    // A statement of its own: it must see what was committed while the lock was waited for.
    Ok(sql(COUNT_PROGRESS).bind::<SqlUuid, _>(merchant).bind::<Array<SqlUuid>, _>(ids).load(tx.conn()?).await?)
}

pub(crate) const WAKE_ORDERS: &str = "UPDATE redemptions r SET due_at = $4, fence = r.fence + 1
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
               AND r.merchant_id = $1 AND r.delivery_id = d.id AND r.state = 'waiting'";

/// Makes the waiting redemptions of orders due now, because a fact about the orders changed.
///
/// The fence is raised, so that a worker that judged by the old fact cannot put them back to sleep.
/// Returns how many were woken. Indexes deliveries_once and redemptions_of_delivery.
///
/// # Errors
/// When the connection is lost.
pub async fn wake_orders(
    tx: &mut TenantTx,
    shop: ShopId,
    sns: &[OrderSn],
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if sns.is_empty() {
        return Ok(0);
    }
    Ok(sql(WAKE_ORDERS)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(sns.iter().map(OrderSn::as_str).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(now)
        .execute(tx.conn()?)
        .await?)
}

/// Makes every waiting redemption of the merchant due now, because the rules changed. Returns how many.
///
/// # Errors
/// When the connection is lost.
pub async fn wake_all(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Vec<ShopId>, StoreError> {
    let woken: Vec<ChangedRow> = sql("WITH woken AS (
                UPDATE redemptions r SET due_at = $2, fence = r.fence + 1
                 WHERE r.merchant_id = $1 AND r.state = 'waiting' RETURNING r.shop_id)
            SELECT DISTINCT shop_id AS id FROM woken")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(now)
    .load(tx.conn()?)
    .await?;
    Ok(woken.into_iter().map(|row| ShopId::from_uuid(row.id)).collect())
}
