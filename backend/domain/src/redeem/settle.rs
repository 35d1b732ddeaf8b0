//! Writes how redemptions ended or wait, and what follows for their orders, in one transaction per batch.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{
    DeliveryId, OrderSn, OrderState, ReasonCode, RedemptionId, RedemptionMethod, RedemptionState, RuleId, ShopId,
};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::order_events::{self, NewEvent};
use kamiflow_store::order_hints::{self, HintSource, NewHints};
use kamiflow_store::orders::{self, OrderKey};
use kamiflow_store::redemptions::calls::{self, Postponed};
use kamiflow_store::redemptions::due::DueRow;
use kamiflow_store::redemptions::{self, Change, Progress, acts};
use kamiflow_store::{Store, StoreError, TenantTx, outbox, rollups};
use serde_json::{Value, json};

use super::decide::Park;
use super::reasons::Reason;
use crate::backoff::{RetryClass, next_delay};
use crate::ctx::Ctx;
use crate::engine::EngineConfig;

/// How often a write is tried while Postgres is away: with the delays of its class, about as long as a shutdown lasts.
const STORE_TRIES: u32 = 8;

/// Exceptions that the success of a redemption answers.
const ANSWERED: [ReasonCode; 3] =
    [ReasonCode::ApprovalNeeded, ReasonCode::RedemptionRefused, ReasonCode::RedemptionUnknown];

/// Which redemption, and under which fence its fate was decided.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) id: RedemptionId,
    pub(crate) fence: i64,
    pub(crate) delivery: DeliveryId,
    pub(crate) order: OrderKey,
    pub(crate) order_sn: OrderSn,
    pub(crate) method: RedemptionMethod,
    pub(crate) failures: i32,
}

impl Subject {
    pub(crate) fn of(row: &DueRow) -> Result<Self, StoreError> {
        let order_sn =
            row.order_sn.parse().map_err(|bad: kamiflow_kernel::OrderSnError| StoreError::Corrupt(bad.to_string()))?;
        Ok(Self {
            id: row.id(),
            fence: row.fence,
            delivery: row.delivery(),
            order: row.order(),
            order_sn,
            method: row.method()?,
            failures: row.failures,
        })
    }
}

/// What becomes of a redemption.
#[derive(Debug, Clone)]
pub(crate) struct End {
    pub(crate) subject: Subject,
    pub(crate) to: To,
    pub(crate) rule: Option<RuleId>,
    pub(crate) explanation: Value,
    pub(crate) failures: i32,
    /// What the platform said.
    pub(crate) outcome: Option<Value>,
    pub(crate) exception: Option<ReasonCode>,
    /// Whether the order is to be read again, because the platform spoke of an after-sale.
    pub(crate) read_order: bool,
}

/// Where it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum To {
    Done,
    Stopped,
    AwaitingApproval,
    Waiting(Option<DateTime<Utc>>),
    /// Stays an open call, looked up then.
    Calling(Option<DateTime<Utc>>),
}

impl End {
    fn new(subject: Subject, to: To, reason: &Reason) -> Self {
        Self {
            failures: subject.failures,
            subject,
            to,
            rule: None,
            explanation: reason.explain(),
            outcome: None,
            exception: None,
            read_order: false,
        }
    }

    pub(crate) fn park(subject: Subject, park: Park) -> Self {
        let to = match park.to {
            RedemptionState::Stopped => To::Stopped,
            RedemptionState::AwaitingApproval => To::AwaitingApproval,
            RedemptionState::Waiting | RedemptionState::Calling | RedemptionState::Done => To::Waiting(park.due_at),
        };
        Self {
            failures: subject.failures,
            subject,
            to,
            rule: park.rule,
            explanation: park.explanation,
            outcome: None,
            exception: park.exception,
            read_order: false,
        }
    }

    pub(crate) fn done(subject: Subject, reason: &Reason) -> Self {
        Self { failures: 0, ..Self::new(subject, To::Done, reason) }
    }

    /// Tries again after a delay that grows with the failures; after too many a person looks.
    pub(crate) fn again(
        subject: Subject,
        (class, counts): (RetryClass, bool),
        reason: &Reason,
        now: DateTime<Utc>,
        config: &EngineConfig,
    ) -> Self {
        let failures = subject.failures.saturating_add(i32::from(counts));
        if counts && failures >= config.poison_after {
            let exception = Some(ReasonCode::Poisoned);
            return Self { failures, exception, ..Self::new(subject, To::Waiting(None), reason) };
        }
        let due_at = now + delay(class, failures);
        Self { failures, ..Self::new(subject, To::Waiting(Some(due_at)), reason) }
    }

    /// Leaves the call open and looks it up later; after too many look-ups a person decides.
    pub(crate) fn look_up_later(
        subject: Subject,
        due_at: DateTime<Utc>,
        reason: &Reason,
        config: &EngineConfig,
    ) -> Self {
        let failures = subject.failures.saturating_add(1);
        if failures >= config.poison_after {
            return Self { failures, ..Self::unexplained(subject, reason) };
        }
        Self { failures, ..Self::new(subject, To::Calling(Some(due_at)), reason) }
    }

    /// Leaves the call open for a person: nothing is called again by itself.
    pub(crate) fn unexplained(subject: Subject, reason: &Reason) -> Self {
        Self { exception: Some(ReasonCode::RedemptionUnknown), ..Self::new(subject, To::Calling(None), reason) }
    }

    pub(crate) fn with_outcome(self, outcome: Value) -> Self {
        Self { outcome: Some(outcome), ..self }
    }

    pub(crate) fn reading_order(self) -> Self {
        Self { read_order: true, ..self }
    }

    fn change(&self) -> Option<Change> {
        let (to, due_at) = match self.to {
            To::Done => (RedemptionState::Done, None),
            To::Stopped => (RedemptionState::Stopped, None),
            To::AwaitingApproval => (RedemptionState::AwaitingApproval, None),
            To::Waiting(due_at) => (RedemptionState::Waiting, due_at),
            To::Calling(_) => return None,
        };
        Some(Change {
            id: self.subject.id,
            fence: self.subject.fence,
            to,
            due_at,
            rule: self.rule,
            explanation: self.explanation.clone(),
            failures: self.failures,
            outcome: self.outcome.clone(),
        })
    }

    fn postponed(&self) -> Option<Postponed> {
        let To::Calling(due_at) = self.to else { return None };
        Some(Postponed {
            id: self.subject.id,
            fence: self.subject.fence,
            due_at,
            explanation: self.explanation.clone(),
            failures: self.failures,
        })
    }

    fn event(&self) -> Option<NewEvent> {
        let kind = match self.to {
            To::Done => "redemption_done",
            To::Stopped => "redemption_stopped",
            To::AwaitingApproval => "redemption_held",
            To::Waiting(_) if self.outcome.is_some() => "redemption_again",
            To::Calling(_) if self.outcome.is_some() || self.exception.is_some() => "redemption_unknown",
            To::Waiting(_) | To::Calling(_) => return None,
        };
        let detail = json!({
            "redemption": self.subject.id,
            "method": self.subject.method,
            "why": self.explanation,
            "outcome": self.outcome,
        });
        Some(NewEvent { order: self.subject.order, kind, detail })
    }
}

/// Returns a delay of a class.
pub(crate) fn delay(class: RetryClass, failures: i32) -> TimeDelta {
    let attempt = u32::try_from(failures).unwrap_or(0);
    TimeDelta::from_std(next_delay(class, attempt, &mut rand::rng())).unwrap_or(TimeDelta::minutes(1))
}

/// In whose name and from which state redemptions are written.
#[derive(Clone, Copy)]
pub(crate) struct Writer<'a> {
    pub(crate) store: &'a Store,
    pub(crate) ctx: &'a Ctx,
    pub(crate) shop: ShopId,
    pub(crate) now: DateTime<Utc>,
}

/// Writes what became of redemptions that are in state `from`. Returns how many changed.
///
/// Running again is safe: a redemption that was written has left the state, or is under another fence. So an answer of
/// the platform is kept and written again while Postgres is away, and a batch that fails is replayed one by one.
///
/// # Errors
/// When Postgres stays away, or for a single redemption whose write fails.
pub(crate) async fn write(writer: Writer<'_>, from: RedemptionState, ends: &[End]) -> Result<usize, StoreError> {
    if ends.is_empty() {
        return Ok(0);
    }
    match write_patiently(writer, from, ends).await {
        Err(error) if !error.is_connection_lost() && ends.len() > 1 => {
            tracing::warn!(shop.id = %writer.shop, error = %error, "A batch of redemptions is written one by one");
            let mut written = 0;
            let mut failed = None;
            for end in ends {
                match write_patiently(writer, from, std::slice::from_ref(end)).await {
                    Ok(n) => written += n,
                    Err(error) => {
                        tracing::error!(redemption.id = %end.subject.id, error = %error, "A redemption was not written");
                        failed = Some(error);
                    }
                }
            }
            failed.map_or(Ok(written), Err)
        }
        outcome => outcome,
    }
}

async fn write_patiently(writer: Writer<'_>, from: RedemptionState, ends: &[End]) -> Result<usize, StoreError> {
    let mut tries = 0;
    loop {
        match write_once(writer, from, ends).await {
            Err(error) if tries < STORE_TRIES && (error.is_connection_lost() || error.is_transient()) => {
                tries += 1;
                let pause = next_delay(RetryClass::Storage, tries, &mut rand::rng());
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
}

async fn write_once(writer: Writer<'_>, from: RedemptionState, ends: &[End]) -> Result<usize, StoreError> {
    let mut tx = writer.store.tenant_tx(writer.ctx.merchant).await?;
    // Orders first: whoever reads the platform locks in this order too.
    let ending = |end: &&End| matches!(end.to, To::Done | To::Stopped);
    let keys: Vec<OrderKey> = ends.iter().filter(ending).map(|end| end.subject.order).collect();
    acts::lock_orders(&mut tx, &keys).await?;

    let changes: Vec<Change> = ends.iter().filter_map(End::change).collect();
    let mut changed = redemptions::change(&mut tx, from, &changes, writer.now).await?;
    let open: Vec<Postponed> = ends.iter().filter_map(End::postponed).collect();
    changed.extend(calls::postpone(&mut tx, &open).await?);

    let written: Vec<&End> = ends.iter().filter(|end| changed.contains(&end.subject.id)).collect();
    follow(&mut tx, writer, &written).await?;
    tx.commit().await?;
    for end in &written {
        metrics::counter!("kamiflow_redemptions_total", "method" => end.subject.method.as_str(), "to" => end.to.name())
            .increment(1);
    }
    Ok(written.len())
}

impl To {
    const fn name(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Stopped => "stopped",
            Self::AwaitingApproval => "awaiting_approval",
            Self::Waiting(_) => "waiting",
            Self::Calling(_) => "unknown",
        }
    }
}

/// Events, exceptions and the states of orders.
async fn follow(tx: &mut TenantTx, writer: Writer<'_>, written: &[&End]) -> Result<(), StoreError> {
    let events: Vec<NewEvent> = written.iter().filter_map(|end| end.event()).collect();
    order_events::append(tx, writer.now, &events).await?;

    let news: Vec<NewException> = written.iter().filter_map(|end| exception(writer.shop, end)).collect();
    let opened = exceptions::open(tx, &news).await?;
    let opened = i64::try_from(opened).unwrap_or(i64::MAX);
    rollups::add(tx, writer.shop, writer.now, &[("exceptions", opened)]).await?;

    let unclear: Vec<OrderSn> =
        written.iter().filter(|end| end.read_order).map(|end| end.subject.order_sn.clone()).collect();
    let hints = NewHints { dirty_since: writer.now, due_at: writer.now, source: HintSource::Refund };
    order_hints::upsert(tx, writer.shop, &unclear, hints).await?;

    let ended = |end: &&&End| matches!(end.to, To::Done | To::Stopped);
    let mut deliveries: Vec<DeliveryId> = written.iter().filter(ended).map(|end| end.subject.delivery).collect();
    deliveries.sort_unstable();
    deliveries.dedup();
    for progress in redemptions::lock_progress(tx, &deliveries).await? {
        move_order(tx, writer, &progress).await?;
    }
    Ok(())
}

fn exception(shop: ShopId, end: &End) -> Option<NewException> {
    let code = end.exception?;
    // A missing permission is the shop's trouble, not one order's.
    let order =
        (code != ReasonCode::PermissionMissing).then(|| (end.subject.order, end.subject.order_sn.as_str().to_owned()));
    let needs_review = matches!(
        code,
        ReasonCode::ApprovalNeeded
            | ReasonCode::RedemptionRefused
            | ReasonCode::RedemptionUnknown
            | ReasonCode::Poisoned
            | ReasonCode::PermissionMissing
    );
    let detail = json!({
        "redemption": end.subject.id,
        "method": end.subject.method,
        "why": end.explanation,
        "outcome": end.outcome,
    });
    Some(NewException { shop, order, code, needs_review, detail })
}

/// Moves the order of a delivery whose redemptions have all ended.
pub(crate) async fn move_order(tx: &mut TenantTx, writer: Writer<'_>, progress: &Progress) -> Result<(), StoreError> {
    // A line whose code is not known keeps the order from being redeemed; its exception says so.
    if progress.open > 0 || (progress.stopped == 0 && progress.unplanned > 0) {
        return Ok(());
    }
    let (to, cause) = if progress.stopped == 0 {
        (OrderState::Redeemed, "redeemed")
    } else {
        (OrderState::Done, "redemption_stopped")
    };
    let order = progress.order();
    // An order that was refunded meanwhile is closed and stays so.
    if orders::transition(tx, &[order], &[OrderState::AwaitingRedemption], to, cause).await? == 0 {
        return Ok(());
    }
    let detail = json!({ "to": to, "cause": cause, "redeemed": progress.done, "stopped": progress.stopped });
    order_events::append(tx, writer.now, &[NewEvent { order, kind: "state", detail }]).await?;
    if to == OrderState::Redeemed {
        let sns = [progress.order_sn.as_str()];
        exceptions::resolve(tx, writer.shop, &sns, &ANSWERED, "redeemed").await?;
        rollups::add(tx, writer.shop, writer.now, &[("redeemed", 1)]).await?;
        let payload = json!({ "shop": writer.shop, "order": order.id, "order_day": order.day });
        outbox::push(tx, "order.redeemed", payload).await?;
    }
    Ok(())
}
