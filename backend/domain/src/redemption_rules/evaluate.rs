//! The verdict: pure, and the same for the same input.

use chrono::{DateTime, Days, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use kamiflow_kernel::RuleId;

use super::{Conditions, DailyWindow, Facts, Mismatch, RefundState, Rule, RuleAction, RuleSet, Step};

/// Asia/Shanghai has had no daylight saving since 1991.
pub(super) const SHANGHAI_OFFSET: TimeDelta = TimeDelta::hours(8);
/// How long a missed event may go unnoticed.
const EVENT_SAFETY_NET: TimeDelta = TimeDelta::hours(6);

/// What to do about one order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Declare it used.
    Redeem,
    /// Ask a person.
    Hold,
    /// Leave it alone for good.
    Never,
    /// Look again.
    Wait {
        /// From when on it waits no longer, if the facts stay as they are; `None` when an event must come first.
        until: Option<DateTime<Utc>>,
    },
    /// No rule is about this order; it stays as it is.
    NoRule,
}

/// A verdict with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluation {
    /// What to do.
    pub verdict: Verdict,
    /// The rule that decided, `None` where something above the rules did, or nothing.
    pub rule: Option<RuleId>,
    /// Why, in the order it was found out.
    pub explanation: Vec<Step>,
    /// The moment of the evaluation.
    pub at: DateTime<Utc>,
}

impl Evaluation {
    /// Returns when to look again: at the end of a wait, or some hours later in case its event was missed.
    #[must_use]
    pub fn next_check_at(&self) -> Option<DateTime<Utc>> {
        match self.verdict {
            Verdict::Wait { until: Some(until) } => Some(until),
            Verdict::Wait { until: None } => self.at.checked_add_signed(EVENT_SAFETY_NET),
            Verdict::Redeem => Some(self.at),
            Verdict::Hold | Verdict::Never | Verdict::NoRule => None,
        }
    }
}

/// Returns what the rules say about an order now.
#[must_use]
pub fn evaluate(rules: &RuleSet, facts: &Facts, now: DateTime<Utc>) -> Evaluation {
    let mut steps = Vec::new();
    let (verdict, rule) = decide(rules, facts, now, &mut steps);
    Evaluation { verdict, rule, explanation: steps, at: now }
}

fn decide(rules: &RuleSet, facts: &Facts, now: DateTime<Utc>, steps: &mut Vec<Step>) -> (Verdict, Option<RuleId>) {
    if facts.refund == RefundState::Refunded {
        steps.push(Step::Refunded);
        return (Verdict::Never, None);
    }
    let Some(delivered_at) = facts.delivered_at else {
        steps.push(Step::NotDelivered);
        return (Verdict::Wait { until: None }, None);
    };
    for rule in rules.rules.iter().filter(|rule| rule.enabled) {
        if let Some(because) = mismatch(&rule.conditions, facts) {
            steps.push(Step::Skipped { rule: rule.name.clone(), because });
            continue;
        }
        steps.push(Step::Matched { rule: rule.name.clone() });
        return (apply(rule, facts, delivered_at, now, steps), Some(rule.id));
    }
    steps.push(Step::NoRule);
    (Verdict::NoRule, None)
}

fn apply(
    rule: &Rule,
    facts: &Facts,
    delivered_at: DateTime<Utc>,
    now: DateTime<Utc>,
    steps: &mut Vec<Step>,
) -> Verdict {
    let before = steps.len();
    let event_missing = missing_events(&rule.conditions, facts, steps);
    let ready_at = ready_at(rule, facts, delivered_at, now, steps);
    let redeems = rule.action == RuleAction::Redeem;
    if redeems && facts.refund == RefundState::Open {
        steps.truncate(before);
        steps.push(Step::AfterSaleOpen);
        return Verdict::Wait { until: None };
    }
    if event_missing {
        return Verdict::Wait { until: None };
    }
    if ready_at > now {
        steps.push(Step::WaitsUntil { at: ready_at, rule: rule.name.clone() });
        return Verdict::Wait { until: Some(ready_at) };
    }
    steps.push(Step::Acts { action: rule.action });
    match rule.action {
        RuleAction::Redeem => Verdict::Redeem,
        RuleAction::Hold => Verdict::Hold,
        RuleAction::Never => Verdict::Never,
    }
}

fn mismatch(conditions: &Conditions, facts: &Facts) -> Option<Mismatch> {
    let checks = [
        (conditions.shops.as_ref().is_none_or(|set| set.contains(&facts.shop)), Mismatch::Shop),
        (in_set(conditions.products.as_ref(), facts.product.as_ref()), Mismatch::Product),
        (in_set(conditions.skus.as_ref(), facts.sku.as_ref()), Mismatch::Sku),
        (conditions.amount.is_none_or(|range| range.contains(facts.amount)), Mismatch::Amount),
        (conditions.refund.as_ref().is_none_or(|set| set.contains(&facts.refund)), Mismatch::Refund),
    ];
    checks.into_iter().find(|(holds, _)| !holds).map(|(_, mismatch)| mismatch)
}

/// Returns whether a value is selected; an unknown value is selected by no set.
fn in_set<T: Ord>(set: Option<&std::collections::BTreeSet<T>>, value: Option<&T>) -> bool {
    set.is_none_or(|set| value.is_some_and(|value| set.contains(value)))
}

fn missing_events(conditions: &Conditions, facts: &Facts, steps: &mut Vec<Step>) -> bool {
    let events = [
        (conditions.receipt_confirmed && facts.received_at.is_none(), Step::AwaitsReceipt),
        (conditions.use_reported && facts.use_reported_at.is_none(), Step::AwaitsUseReport),
        (conditions.seen_by_buyer && facts.seen_at.is_none(), Step::AwaitsReveal),
    ];
    let before = steps.len();
    steps.extend(events.into_iter().filter(|(missing, _)| *missing).map(|(_, step)| step));
    steps.len() > before
}

/// Returns the first moment, not before now, at which delay, time of day and daily cap all hold.
fn ready_at(
    rule: &Rule,
    facts: &Facts,
    delivered_at: DateTime<Utc>,
    now: DateTime<Utc>,
    steps: &mut Vec<Step>,
) -> DateTime<Utc> {
    let mut at = now;
    if let Some(minutes) = rule.conditions.delay_after_delivery_minutes {
        let over = delivered_at.checked_add_signed(TimeDelta::minutes(i64::from(minutes))).unwrap_or(delivered_at);
        if over > at {
            steps.push(Step::DelayRuns { minutes, over });
            at = over;
        }
    }
    // Counts are of one day, so leaving that day once is enough; after it only the window can move the moment again.
    for _ in 0..2 {
        if let Some(window) = rule.conditions.time_of_day
            && !window.contains(local(at).time())
        {
            let step = Step::OutsideWindow { window };
            if !steps.contains(&step) {
                steps.push(step);
            }
            at = opens_after(window, at);
        }
        let Some(cap) = rule.conditions.daily_cap else { break };
        let day = local(at).date();
        if facts.redeemed.on(day, rule.id) < cap {
            break;
        }
        steps.push(Step::CapReached { cap });
        at = day.checked_add_days(Days::new(1)).map_or(at, |next| utc(next.and_time(NaiveTime::MIN)));
    }
    at
}

/// Returns when a window that is closed opens next.
fn opens_after(window: DailyWindow, at: DateTime<Utc>) -> DateTime<Utc> {
    let from = window.from.time();
    let today = local(at).date();
    let day = if local(at).time() < from { Some(today) } else { today.checked_add_days(Days::new(1)) };
    day.map_or(at, |day| utc(day.and_time(from)))
}

pub(super) fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.naive_utc().checked_add_signed(SHANGHAI_OFFSET).unwrap_or(at.naive_utc())
}

fn utc(local: NaiveDateTime) -> DateTime<Utc> {
    local.checked_sub_signed(SHANGHAI_OFFSET).unwrap_or(local).and_utc()
}
