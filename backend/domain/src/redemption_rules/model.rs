//! Rules as they are stored: versioned JSON that refuses fields it does not know.

use std::collections::BTreeSet;
use std::fmt;

use chrono::NaiveTime;
use kamiflow_kernel::{Fen, ProductId, RuleId, ShopId, SkuId};
use serde::{Deserialize, Serialize};

/// The version this code writes.
const VERSION: u32 = 1;
const MOST_RULES: usize = 100;
const MOST_DELAY_MINUTES: u32 = 90 * 24 * 60;
const MOST_NAME_CHARS: usize = 60;

/// The ordered rules of a merchant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSet {
    version: u32,
    /// The rules, the first that matches decides.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The rule.
    pub id: RuleId,
    /// Its name, shown in explanations.
    pub name: String,
    /// Whether it takes part.
    pub enabled: bool,
    /// When it matches, and when it acts.
    #[serde(default)]
    pub conditions: Conditions,
    /// What it does.
    pub action: RuleAction,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// Declare the code used.
    Redeem,
    /// Ask a person.
    Hold,
    /// Leave the order alone for good.
    Never,
}

/// The conditions of a rule; all of them must hold, and one that is missing always does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Selects orders of these shops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shops: Option<BTreeSet<ShopId>>,
    /// Selects orders of these products.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub products: Option<BTreeSet<ProductId>>,
    /// Selects orders of these SKUs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skus: Option<BTreeSet<SkuId>>,
    /// Selects orders by what was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<AmountRange>,
    /// Selects orders by where a refund stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund: Option<BTreeSet<RefundState>>,
    /// Waits until so many minutes after the delivery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delay_after_delivery_minutes: Option<u32>,
    /// Waits until the buyer confirmed receipt.
    #[serde(skip_serializing_if = "is_false")]
    pub receipt_confirmed: bool,
    /// Waits until the use was reported.
    #[serde(skip_serializing_if = "is_false")]
    pub use_reported: bool,
    /// Waits until the buyer saw the code.
    #[serde(skip_serializing_if = "is_false")]
    pub seen_by_buyer: bool,
    /// Waits for this part of the day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_of_day: Option<DailyWindow>,
    /// Waits for the next day once the rule has redeemed so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daily_cap: Option<u32>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_false(value: &bool) -> bool {
    !*value
}

/// A range of amounts, both ends included; an end that is missing is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AmountRange {
    /// The least amount, in fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Fen>,
    /// The greatest amount, in fen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Fen>,
}

impl AmountRange {
    /// Returns whether an amount lies in the range.
    #[must_use]
    pub fn contains(&self, amount: Fen) -> bool {
        self.min.is_none_or(|min| amount >= min) && self.max.is_none_or(|max| amount <= max)
    }
}

/// Where a refund stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefundState {
    /// Nobody asked for one.
    None,
    /// Somebody asked; it is not decided.
    Open,
    /// Asked for, then withdrawn or refused.
    Closed,
    /// The buyer has the money back.
    Refunded,
}

/// A part of each day in Shanghai, from its first minute up to, and without, its last; it may cross midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DailyWindow {
    /// When it opens.
    pub from: MinuteOfDay,
    /// When it closes; before `from` means on the next day.
    pub to: MinuteOfDay,
}

impl DailyWindow {
    /// Returns whether a time of day lies in the window.
    #[must_use]
    pub fn contains(&self, time: NaiveTime) -> bool {
        let (from, to) = (self.from.time(), self.to.time());
        if from <= to { from <= time && time < to } else { from <= time || time < to }
    }
}

/// A time of day to the minute, `HH:MM`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MinuteOfDay(NaiveTime);

impl MinuteOfDay {
    /// Returns the time.
    #[must_use]
    pub const fn time(self) -> NaiveTime {
        self.0
    }
}

impl fmt::Display for MinuteOfDay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.format("%H:%M").fmt(f)
    }
}

impl From<MinuteOfDay> for String {
    fn from(minute: MinuteOfDay) -> Self {
        minute.to_string()
    }
}

impl TryFrom<String> for MinuteOfDay {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let shaped = text.len() == 5;
        NaiveTime::parse_from_str(&text, "%H:%M")
            .ok()
            .filter(|_| shaped)
            .map(Self)
            .ok_or_else(|| format!("`{text}` is not a time of day such as 09:30"))
    }
}

/// What is wrong with one rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RuleFault {
    /// No name, or one that is too long.
    #[error("the name must have 1 to {MOST_NAME_CHARS} characters")]
    Name,
    /// An empty set would select nothing, and looks as if it selected everything.
    #[error("a list of shops, products, SKUs or refund states is empty")]
    EmptySet,
    /// A range that contains nothing.
    #[error("the amount range contains nothing")]
    EmptyAmount,
    /// A delay of more than 90 days.
    #[error("the delay is over 90 days")]
    LongDelay,
    /// A window that opens and closes at once.
    #[error("the time of day opens and closes at the same minute")]
    EmptyWindow,
    /// A cap of zero.
    #[error("the daily cap is 0; use the action \"never\"")]
    ZeroCap,
    /// "Never" does not wait for anything.
    #[error("a rule that never redeems cannot wait for something")]
    NeverWaits,
    /// The daily cap counts redemptions, and this rule makes none.
    #[error("a daily cap belongs to rules that redeem")]
    CapWithoutRedeem,
    /// Redeeming with an after-sale open, or after a refund, would be a false report.
    #[error("a rule cannot redeem orders with an open refund or after one")]
    RedeemRefunded,
    /// Another rule has the same id.
    #[error("another rule has the same id")]
    RepeatedId,
}

/// Why rules are refused.
#[derive(Debug, thiserror::Error)]
pub enum RuleSetError {
    /// The text is no such JSON.
    #[error("the rules are not valid JSON of this version")]
    Json(#[source] serde_json::Error),
    /// Written by a newer program.
    #[error("the rules have version {0}; this program knows 1")]
    Version(u32),
    /// Too many rules.
    #[error("there are more than {MOST_RULES} rules")]
    TooMany,
    /// One rule is wrong.
    #[error("rule {position} `{name}`: {fault}")]
    Rule {
        /// Its place, from 1.
        position: usize,
        /// Its name.
        name: String,
        /// What is wrong.
        fault: RuleFault,
    },
}

impl RuleSet {
    /// Wraps rules and checks them.
    ///
    /// # Errors
    /// When a rule makes no sense; see [`RuleFault`].
    pub fn new(rules: Vec<Rule>) -> Result<Self, RuleSetError> {
        let set = Self { version: VERSION, rules };
        set.validate()?;
        Ok(set)
    }

    /// Reads stored or submitted rules and checks them.
    ///
    /// # Errors
    /// When the text is not such JSON, of another version, or a rule makes no sense.
    pub fn from_json(text: &str) -> Result<Self, RuleSetError> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        // The version is read first: a newer one has fields that this program must not judge.
        let Versioned { version } = serde_json::from_str(text).map_err(RuleSetError::Json)?;
        if version != VERSION {
            return Err(RuleSetError::Version(version));
        }
        let set: Self = serde_json::from_str(text).map_err(RuleSetError::Json)?;
        set.validate()?;
        Ok(set)
    }

    /// Returns the rules as they are stored.
    ///
    /// # Errors
    /// When serialization fails, which such values do not.
    pub fn to_json(&self) -> Result<String, RuleSetError> {
        serde_json::to_string(self).map_err(RuleSetError::Json)
    }

    /// Checks every rule.
    ///
    /// # Errors
    /// Names the first rule that makes no sense.
    pub fn validate(&self) -> Result<(), RuleSetError> {
        if self.rules.len() > MOST_RULES {
            return Err(RuleSetError::TooMany);
        }
        let mut ids = BTreeSet::new();
        for (rule, position) in self.rules.iter().zip(1..) {
            let repeated = if ids.insert(rule.id) { Ok(()) } else { Err(RuleFault::RepeatedId) };
            rule.validate().and(repeated).map_err(|fault| RuleSetError::Rule {
                position,
                name: rule.name.clone(),
                fault,
            })?;
        }
        Ok(())
    }
}

impl Rule {
    /// Checks the rule by itself.
    ///
    /// # Errors
    /// Names what makes no sense.
    pub fn validate(&self) -> Result<(), RuleFault> {
        let c = &self.conditions;
        let empty_set = c.shops.as_ref().is_some_and(BTreeSet::is_empty)
            || c.products.as_ref().is_some_and(BTreeSet::is_empty)
            || c.skus.as_ref().is_some_and(BTreeSet::is_empty)
            || c.refund.as_ref().is_some_and(BTreeSet::is_empty);
        let bad_amount = c.amount.is_some_and(|range| match (range.min, range.max) {
            (Some(min), Some(max)) => min > max,
            (None, None) => true,
            _ => false,
        });
        let waits = c.delay_after_delivery_minutes.is_some()
            || c.receipt_confirmed
            || c.use_reported
            || c.seen_by_buyer
            || c.time_of_day.is_some()
            || c.daily_cap.is_some();
        let refunds = |state| c.refund.as_ref().is_some_and(|set| set.contains(&state));
        let checks = [
            (self.name.trim().is_empty() || self.name.chars().count() > MOST_NAME_CHARS, RuleFault::Name),
            (empty_set, RuleFault::EmptySet),
            (bad_amount, RuleFault::EmptyAmount),
            (c.delay_after_delivery_minutes.is_some_and(|minutes| minutes > MOST_DELAY_MINUTES), RuleFault::LongDelay),
            (c.time_of_day.is_some_and(|window| window.from == window.to), RuleFault::EmptyWindow),
            (c.daily_cap == Some(0), RuleFault::ZeroCap),
            (self.action == RuleAction::Never && waits, RuleFault::NeverWaits),
            (self.action == RuleAction::Hold && c.daily_cap.is_some(), RuleFault::CapWithoutRedeem),
            (
                self.action == RuleAction::Redeem && (refunds(RefundState::Open) || refunds(RefundState::Refunded)),
                RuleFault::RedeemRefunded,
            ),
        ];
        checks.into_iter().find(|(wrong, _)| *wrong).map_or(Ok(()), |(_, fault)| Err(fault))
    }
}
