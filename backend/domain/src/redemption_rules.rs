//! When a delivered order is declared used: ordered rules, a pure verdict, and an explanation a merchant can read.
//!
//! A rule has two kinds of conditions. *Selecting* conditions (shop, product, SKU, amount, refund state) say whether the
//! rule is about this order at all. *Waiting* conditions (delay after delivery, receipt confirmed, use reported, seen by
//! the buyer, time of day, daily cap) say when it acts.
//!
//! The first enabled rule whose selecting conditions hold decides. If its waiting conditions are not met yet, **the rule
//! keeps its place and the order waits; later rules are not consulted.** Otherwise the order of the rules would depend
//! on the clock: "this product 7 days after delivery" above "everything at once" would redeem that product at once,
//! because on the first day the upper rule does not hold yet. A merchant who puts a rule on top means it.
//!
//! Two things stand above all rules, because declaring such an order used would be false: nothing is redeemed before it
//! is delivered or with an after-sale open, and a refunded order is never redeemed.
//!
//! [`Verdict::Wait`] says until when, if the clock alone decides. An event (receipt, report, reveal) has no time: then
//! `until` is `None`, the event itself triggers the next look, and [`Evaluation::next_check_at`] looks again after six
//! hours in case it was missed. `until` is exact: with unchanged facts the order waits before it and not from then on.
//!
//! To add a condition: a field of [`Conditions`], a [`Step`] for its explanation, a case in `evaluate.rs` and one in
//! [`RuleSet::validate`]. Stored rules stay readable, since a missing field means "no such condition".

mod dry_run;
mod evaluate;
mod explain;
mod model;
mod presets;

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use kamiflow_kernel::{Fen, ProductId, RuleId, ShopId, SkuId};

pub use dry_run::{DryRun, VerdictCounts, dry_run};
pub use evaluate::{Evaluation, Verdict, evaluate};
pub use explain::{Mismatch, Step};
pub use model::{
    AmountRange, Conditions, DailyWindow, MinuteOfDay, RefundState, Rule, RuleAction, RuleFault, RuleSet, RuleSetError,
};
pub use presets::Preset;

/// What is known about an order line when its redemption is considered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The shop.
    pub shop: ShopId,
    /// The product, where it is known.
    pub product: Option<ProductId>,
    /// The SKU, where it is known.
    pub sku: Option<SkuId>,
    /// What the buyer paid for the order.
    pub amount: Fen,
    /// When the platform acknowledged the delivery.
    pub delivered_at: Option<DateTime<Utc>>,
    /// When the buyer confirmed receipt.
    pub received_at: Option<DateTime<Utc>>,
    /// When somebody reported that the code was used.
    pub use_reported_at: Option<DateTime<Utc>>,
    /// When the buyer saw the code.
    pub seen_at: Option<DateTime<Utc>>,
    /// Where a refund stands.
    pub refund: RefundState,
    /// How often each rule has redeemed on a day.
    pub redeemed: DailyCounts,
}

/// How often each rule has redeemed on one day of Shanghai. On any other day the counts mean nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DailyCounts {
    /// The day, `None` when nothing was redeemed yet.
    pub day: Option<NaiveDate>,
    /// Redemptions by rule.
    pub by_rule: BTreeMap<RuleId, u32>,
}

impl DailyCounts {
    /// Returns how often a rule has redeemed on a day.
    #[must_use]
    pub fn on(&self, day: NaiveDate, rule: RuleId) -> u32 {
        if self.day == Some(day) { self.by_rule.get(&rule).copied().unwrap_or(0) } else { 0 }
    }
}

#[cfg(test)]
mod tests;
