//! What rules would do to orders that exist: a merchant's look before switching them on.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kamiflow_kernel::RuleId;

use super::evaluate::local;
use super::{DailyCounts, Facts, RuleSet, Verdict, evaluate};

/// How many orders got each verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct VerdictCounts {
    /// Redeemed.
    pub redeem: u64,
    /// Held for approval.
    pub hold: u64,
    /// Never redeemed.
    pub never: u64,
    /// Waiting.
    pub wait: u64,
    /// Of those, waiting for an event and not for the clock.
    pub wait_for_event: u64,
    /// Not touched by any rule.
    pub no_rule: u64,
}

impl VerdictCounts {
    /// Returns how many orders were looked at.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.redeem + self.hold + self.never + self.wait + self.no_rule
    }

    fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Redeem => self.redeem += 1,
            Verdict::Hold => self.hold += 1,
            Verdict::Never => self.never += 1,
            Verdict::Wait { until } => {
                self.wait += 1;
                self.wait_for_event += u64::from(until.is_none());
            }
            Verdict::NoRule => self.no_rule += 1,
        }
    }
}

/// The outcome of a dry run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DryRun {
    /// All orders.
    pub all: VerdictCounts,
    /// By the rule that decided; every enabled rule is here, so that one that never matches shows.
    pub by_rule: BTreeMap<RuleId, VerdictCounts>,
    /// When the first waiting order is due.
    pub earliest_wait: Option<DateTime<Utc>>,
    /// When the last waiting order is due.
    pub latest_wait: Option<DateTime<Utc>>,
}

/// Evaluates orders as of one moment. What would be redeemed counts against daily caps, on top of what was.
pub fn dry_run(rules: &RuleSet, orders: impl IntoIterator<Item = Facts>, now: DateTime<Utc>) -> DryRun {
    let today = local(now).date();
    let enabled = rules.rules.iter().filter(|rule| rule.enabled);
    let mut run =
        DryRun { by_rule: enabled.map(|rule| (rule.id, VerdictCounts::default())).collect(), ..DryRun::default() };
    let mut simulated: BTreeMap<RuleId, u32> = BTreeMap::new();
    for mut facts in orders {
        let mut counts = DailyCounts { day: Some(today), by_rule: BTreeMap::new() };
        for id in run.by_rule.keys() {
            let added = simulated.get(id).copied().unwrap_or(0);
            counts.by_rule.insert(*id, facts.redeemed.on(today, *id).saturating_add(added));
        }
        facts.redeemed = counts;
        let evaluation = evaluate(rules, &facts, now);
        run.all.count(evaluation.verdict);
        if let Some(rule) = evaluation.rule {
            run.by_rule.entry(rule).or_default().count(evaluation.verdict);
            if evaluation.verdict == Verdict::Redeem {
                *simulated.entry(rule).or_default() += 1;
            }
        }
        if let Verdict::Wait { until: Some(until) } = evaluation.verdict {
            run.earliest_wait = Some(run.earliest_wait.map_or(until, |at| at.min(until)));
            run.latest_wait = Some(run.latest_wait.map_or(until, |at| at.max(until)));
        }
    }
    run
}
