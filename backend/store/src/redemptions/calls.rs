//! Starting a call, and taking over one whose outcome nobody wrote down.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{RedemptionId, RuleId};
use uuid::Uuid;

use super::ChangedRow;
use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A call about to be made.
#[derive(Debug, Clone)]
pub struct Start {
    /// For which redemption.
    pub id: RedemptionId,
    /// The fence under which it was decided.
    pub fence: i64,
    /// The rule that decided, if one did.
    pub rule: Option<RuleId>,
    /// When the use took place; kept by every later call about it.
    pub used_at: DateTime<Utc>,
    /// OTA: what prepare said.
    pub remain_times: Option<i32>,
    /// The state of the order that the gate was opened on.
    pub evidence: serde_json::Value,
    /// When that was read.
    pub evidence_at: DateTime<Utc>,
}

/// When calls that start together start, and until when they may leave and are left alone.
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// The start.
    pub started_at: DateTime<Utc>,
    /// A call that has not left this machine by then never leaves it.
    pub send_deadline: DateTime<Utc>,
    /// Nobody resolves the call before.
    pub resolve_at: DateTime<Utc>,
}

/// A call that was started.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct Started {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    /// The fence that later writes must name.
    #[diesel(sql_type = BigInt)]
    pub fence: i64,
    /// When the use took place, as the first call declared it.
    #[diesel(sql_type = Timestamptz)]
    pub used_at: DateTime<Utc>,
}

impl Started {
    /// Returns the redemption.
    #[must_use]
    pub const fn id(&self) -> RedemptionId {
        RedemptionId::from_uuid(self.id)
    }
}

pub(crate) const START: &str = "UPDATE redemptions r SET state = 'calling', fence = r.fence + 1, attempts = r.attempts + 1,
                   started_at = $2, send_deadline = $3, due_at = $4, used_at = coalesce(r.used_at, i.used_at),
                   rule_id = coalesce(i.rule_id, r.rule_id), remain_times_before = i.remain_times,
                   evidence = i.evidence, evidence_at = i.evidence_at
              FROM unnest($5::uuid[], $6::bigint[], $7::uuid[], $8::timestamptz[], $9::integer[], $10::jsonb[], $11::timestamptz[])
                AS i (id, fence, rule_id, used_at, remain_times, evidence, evidence_at)
             WHERE r.merchant_id = $1 AND r.id = i.id AND r.fence = i.fence AND r.state = 'waiting'
            RETURNING r.id, r.fence, r.used_at";

/// Starts calls: those returned may be made, once the transaction is committed.
///
/// # Errors
/// When the connection is lost, or a line has another open call (`redemptions_one_calling`).
pub async fn start(tx: &mut TenantTx, starts: &[Start], deadlines: Deadlines) -> Result<Vec<Started>, StoreError> {
    if starts.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sql(START)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Timestamptz, _>(deadlines.started_at)
        .bind::<Timestamptz, _>(deadlines.send_deadline)
        .bind::<Timestamptz, _>(deadlines.resolve_at)
        .bind::<Array<SqlUuid>, _>(starts.iter().map(|start| start.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(starts.iter().map(|start| start.fence).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(
            starts.iter().map(|start| start.rule.map(RuleId::as_uuid)).collect::<Vec<_>>(),
        )
        .bind::<Array<Timestamptz>, _>(starts.iter().map(|start| start.used_at).collect::<Vec<_>>())
        .bind::<Array<Nullable<Integer>>, _>(starts.iter().map(|start| start.remain_times).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(starts.iter().map(|start| &start.evidence).collect::<Vec<_>>())
        .bind::<Array<Timestamptz>, _>(starts.iter().map(|start| start.evidence_at).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

/// Takes over calls whose time to be resolved has come; the former owner can write nothing any more.
/// Returns those taken, whose fence is now one higher. `again_at` is when the next one may take over.
///
/// # Errors
/// When the connection is lost.
pub async fn take_over(
    tx: &mut TenantTx,
    calls: &[(RedemptionId, i64)],
    now: DateTime<Utc>,
    again_at: DateTime<Utc>,
) -> Result<Vec<RedemptionId>, StoreError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let taken: Vec<ChangedRow> = sql("UPDATE redemptions r SET fence = r.fence + 1, due_at = $3
               FROM unnest($4::uuid[], $5::bigint[]) AS i (id, fence)
              WHERE r.merchant_id = $1 AND r.id = i.id AND r.fence = i.fence AND r.state = 'calling' AND r.due_at <= $2
             RETURNING r.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(again_at)
    .bind::<Array<SqlUuid>, _>(calls.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(calls.iter().map(|(_, fence)| *fence).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?;
    Ok(taken.into_iter().map(|row| RedemptionId::from_uuid(row.id)).collect())
}

/// Keeps calls open whose outcome the platform does not know yet either. Returns those kept.
///
/// # Errors
/// When the connection is lost.
pub async fn postpone(tx: &mut TenantTx, calls: &[Postponed]) -> Result<Vec<RedemptionId>, StoreError> {
    if calls.is_empty() {
        return Ok(Vec::new());
    }
    let kept: Vec<ChangedRow> =
        sql("UPDATE redemptions r SET due_at = i.due_at, explanation = i.explanation, failures = i.failures
               FROM unnest($2::uuid[], $3::bigint[], $4::timestamptz[], $5::jsonb[], $6::integer[])
                 AS i (id, fence, due_at, explanation, failures)
              WHERE r.merchant_id = $1 AND r.id = i.id AND r.fence = i.fence AND r.state = 'calling'
             RETURNING r.id")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(calls.iter().map(|call| call.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(calls.iter().map(|call| call.fence).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(calls.iter().map(|call| call.due_at).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(calls.iter().map(|call| &call.explanation).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(calls.iter().map(|call| call.failures).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?;
    Ok(kept.into_iter().map(|row| RedemptionId::from_uuid(row.id)).collect())
}

/// An open call that stays open.
#[derive(Debug, Clone)]
pub struct Postponed {
    /// Which one.
    pub id: RedemptionId,
    /// The fence it is held under.
    pub fence: i64,
    /// When it may be looked up again; `None`: a person decides.
    pub due_at: Option<DateTime<Utc>>,
    /// Why, for people.
    pub explanation: serde_json::Value,
    /// Look-ups in a row that settled nothing.
    pub failures: i32,
}

/// How often a rule has acted since a moment.
#[derive(Debug, Clone, QueryableByName)]
pub struct RuleCount {
    #[diesel(sql_type = SqlUuid)]
    rule_id: Uuid,
    /// Orders with a redemption that was called and that no certain refusal took back.
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

impl RuleCount {
    /// Returns the rule.
    #[must_use]
    pub const fn rule(&self) -> RuleId {
        RuleId::from_uuid(self.rule_id)
    }
}

/// Counts orders per rule of which a redemption was started since a moment. Index redemptions_of_rule.
///
/// # Errors
/// When the connection is lost.
pub async fn count_by_rule(tx: &mut TenantTx, since: DateTime<Utc>) -> Result<Vec<RuleCount>, StoreError> {
    Ok(sql("SELECT r.rule_id, count(DISTINCT r.delivery_id) AS n FROM redemptions r
             WHERE r.merchant_id = $1 AND r.started_at >= $2 AND r.rule_id IS NOT NULL
               AND r.state IN ('calling', 'done')
             GROUP BY r.rule_id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(since)
    .load(tx.conn()?)
    .await?)
}

/// Locks rules in the order of their ids, so that two shops cannot both take the last place under a daily cap.
///
/// # Errors
/// When the connection is lost or a lock is not to be had.
pub async fn lock_rules(tx: &mut TenantTx, rules: &[RuleId]) -> Result<(), StoreError> {
    if rules.is_empty() {
        return Ok(());
    }
    sql("SELECT id FROM redemption_rules WHERE merchant_id = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(rules.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .load::<ChangedRow>(tx.conn()?)
        .await?;
    Ok(())
}
