//! From facts and rules to what is done about one redemption. Pure.

use chrono::{DateTime, Days, TimeDelta, Utc};
use kamiflow_kernel::{Fen, ProductId, ReasonCode, RedemptionState, RuleId, ShopId, SkuId};
use kamiflow_store::redemptions::due::DueRow;
use serde_json::Value;

use super::reasons::{Reason, explain};
use crate::gate::after_sale_is_closed;
use crate::redemption_rules::{DailyCounts, Evaluation, Facts, RefundState, RuleSet, Verdict, evaluate};

/// How long something that only an event ends is left alone: the event wakes it, this is for events that were missed.
pub(crate) const SAFETY_NET: TimeDelta = TimeDelta::hours(6);
const SHANGHAI_OFFSET: TimeDelta = TimeDelta::hours(8);

/// What is done about a redemption.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// Declare the use, if the platform's state of the order allows it.
    Call {
        /// The rule that says so; `None` when a person did.
        rule: Option<RuleId>,
        /// How many orders a day the rule may redeem.
        daily_cap: Option<u32>,
    },
    /// Leave it.
    Park(Park),
}

/// How a redemption is left.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Park {
    /// In which state.
    pub(crate) to: RedemptionState,
    /// Until when, `None` until somebody wakes it.
    pub(crate) due_at: Option<DateTime<Utc>>,
    /// The rule that decided.
    pub(crate) rule: Option<RuleId>,
    /// Why.
    pub(crate) explanation: Value,
    /// The exception that is opened with it.
    pub(crate) exception: Option<ReasonCode>,
}

impl Park {
    /// Waits until a moment, or until somebody wakes it.
    pub(crate) fn wait(due_at: Option<DateTime<Utc>>, reason: &Reason) -> Self {
        Self { to: RedemptionState::Waiting, due_at, rule: None, explanation: reason.explain(), exception: None }
    }

    /// Waits for a person, who finds an exception.
    pub(crate) fn ask(reason: &Reason, exception: ReasonCode) -> Self {
        Self { exception: Some(exception), ..Self::wait(None, reason) }
    }

    /// Stops.
    pub(crate) fn stop(reason: &Reason) -> Self {
        Self { to: RedemptionState::Stopped, ..Self::wait(None, reason) }
    }
}

/// Returns where a refund stands, by the platform's two numbers (protocol 3.1).
pub(crate) const fn refund_state(refund_status: i16, after_sales_status: i16) -> RefundState {
    match (refund_status, after_sales_status) {
        (4, _) | (_, 10) => RefundState::Refunded,
        (1, 0) => RefundState::None,
        (1, status) if after_sale_is_closed(status) => RefundState::Closed,
        _ => RefundState::Open,
    }
}

/// Returns when the present day began in Shanghai, and which day that is.
pub(crate) fn day_of(now: DateTime<Utc>) -> (chrono::NaiveDate, DateTime<Utc>) {
    let day = now.checked_add_signed(SHANGHAI_OFFSET).unwrap_or(now).date_naive();
    let midnight = day.and_time(chrono::NaiveTime::MIN).and_utc();
    (day, midnight.checked_sub_signed(SHANGHAI_OFFSET).unwrap_or(midnight))
}

/// Returns when the next day begins in Shanghai.
pub(crate) fn tomorrow(now: DateTime<Utc>) -> DateTime<Utc> {
    let (_, start) = day_of(now);
    start.checked_add_days(Days::new(1)).unwrap_or(now)
}

/// Returns the facts of a due redemption. An order that a rule already counted today, through another line, is not
/// counted against itself: the cap is on orders.
pub(crate) fn facts_of(row: &DueRow, shop: ShopId, counts: &DailyCounts) -> Facts {
    let mut redeemed = counts.clone();
    if let Some(own) = row.counted_by.map(RuleId::from_uuid)
        && let Some(n) = redeemed.by_rule.get_mut(&own)
    {
        *n = n.saturating_sub(1);
    }
    Facts {
        shop,
        product: Some(ProductId::from_uuid(row.product_id)),
        sku: Some(SkuId::from_uuid(row.sku_id)),
        amount: Fen(row.pay_amount_fen),
        delivered_at: row.delivered_at,
        received_at: row.received_at,
        use_reported_at: row.use_reported_at,
        seen_at: row.seen_by_buyer_at,
        refund: refund_state(row.refund_status, row.after_sales_status),
        redeemed,
    }
}

/// Returns what is done about a redemption. `approved_by` stands above the rules, never above a refund.
pub(crate) fn decide(rules: &RuleSet, facts: &Facts, approved_by: Option<&str>, now: DateTime<Utc>) -> Decision {
    if facts.refund == RefundState::Refunded {
        return Decision::Park(Park::stop(&Reason::Refunded));
    }
    if facts.refund == RefundState::Open {
        return Decision::Park(Park::wait(now.checked_add_signed(SAFETY_NET), &Reason::AfterSaleOpen));
    }
    if approved_by.is_some() {
        return Decision::Call { rule: None, daily_cap: None };
    }
    let evaluation = evaluate(rules, facts, now);
    let park = |to| Park {
        to,
        due_at: evaluation.next_check_at(),
        rule: evaluation.rule,
        explanation: explain(&evaluation),
        exception: None,
    };
    match evaluation.verdict {
        Verdict::Redeem => Decision::Call { rule: evaluation.rule, daily_cap: cap_of(rules, &evaluation) },
        Verdict::Wait { .. } | Verdict::NoRule => Decision::Park(park(RedemptionState::Waiting)),
        Verdict::Hold => Decision::Park(Park {
            exception: Some(ReasonCode::ApprovalNeeded),
            ..park(RedemptionState::AwaitingApproval)
        }),
        Verdict::Never => Decision::Park(park(RedemptionState::Stopped)),
    }
}

fn cap_of(rules: &RuleSet, evaluation: &Evaluation) -> Option<u32> {
    rules.rules.iter().find(|rule| Some(rule.id) == evaluation.rule)?.conditions.daily_cap
}

#[cfg(test)]
mod tests;
