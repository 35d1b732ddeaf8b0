//! Faults injected into calls and pushes, by rules from the scenario and from control.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{dice::Dice, state::lock, text::glob_matches};

/// When and what to break.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// API name, or message type for push faults; `*` stands for any run of characters.
    #[serde(default = "any")]
    pub api: String,
    /// Only this mall.
    #[serde(default)]
    pub mall_id: Option<u64>,
    /// Only this application.
    #[serde(default)]
    pub client_id: Option<String>,
    /// Chance per call.
    #[serde(default = "always")]
    pub probability: f64,
    /// How often it may still strike; without end when left out.
    #[serde(default)]
    pub remaining: Option<u64>,
    /// What happens.
    pub kind: FaultKind,
    /// Main code of kind `code`.
    #[serde(default)]
    pub code: Option<i64>,
    /// Sub code of kind `code`.
    #[serde(default)]
    pub sub_code: Option<String>,
    /// Text of kind `code`; the official text when left out.
    #[serde(default)]
    pub message: Option<String>,
    /// Name of a parameter of the call that the text of kind `code` repeats at its end, as real gateways are careless.
    #[serde(default)]
    pub echo: Option<String>,
    /// Milliseconds of `slow`, or of silence in the two time-outs (60 000 when left out).
    #[serde(default)]
    pub ms: Option<u64>,
    /// For `code`, `http_502_html` and `drop_connection`: strike after the call took effect.
    #[serde(default)]
    pub after_effect: bool,
}

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultKind {
    /// An error envelope with `code`.
    Code,
    /// HTTP 502 with a page of HTML.
    #[serde(rename = "http_502_html")]
    Http502Html,
    /// The call takes effect, the answer never comes.
    TimeoutAfterEffect,
    /// Neither effect nor answer.
    TimeoutBeforeEffect,
    /// The call takes effect, the answer ends half-way.
    TruncatedBody,
    /// The answer comes `ms` late.
    Slow,
    /// The connection is cut without an answer.
    DropConnection,
    /// A push message is never sent.
    MissedPush,
    /// A push message is sent twice.
    DuplicatePush,
}

fn any() -> String {
    "*".to_owned()
}

const fn always() -> f64 {
    1.0
}

impl FaultRule {
    /// Returns what is wrong with the rule.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..=1.0).contains(&self.probability) {
            return Err(format!("probability: {} is not between 0 and 1", self.probability));
        }
        match self.kind {
            FaultKind::Code if self.code.is_none() => Err("code: is required".to_owned()),
            FaultKind::Slow if self.ms.is_none() => Err("ms: is required".to_owned()),
            _ => Ok(()),
        }
    }

    fn covers(&self, name: &str, client_id: Option<&str>, mall_id: Option<u64>) -> bool {
        self.remaining != Some(0)
            && self.mall_id.is_none_or(|wanted| Some(wanted) == mall_id)
            && self.client_id.as_deref().is_none_or(|wanted| Some(wanted) == client_id)
            && glob_matches(&self.api, name)
    }
}

impl FaultKind {
    const fn is_push(self) -> bool {
        matches!(self, Self::MissedPush | Self::DuplicatePush)
    }
}

/// A rule in force, with the number control knows it by.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ActiveFault {
    pub(crate) fault_id: u64,
    pub(crate) struck: u64,
    #[serde(flatten)]
    pub(crate) rule: FaultRule,
}

#[derive(Debug, Default)]
struct Rules {
    last_id: u64,
    active: Vec<ActiveFault>,
}

/// All rules in force, first match wins.
#[derive(Debug)]
pub(crate) struct Faults {
    /// Spares calls the lock while there are no rules.
    present: AtomicBool,
    rules: Mutex<Rules>,
}

impl Faults {
    pub(crate) fn new(initial: &[FaultRule]) -> Self {
        let faults = Self { present: AtomicBool::new(false), rules: Mutex::default() };
        for rule in initial {
            faults.add(rule.clone());
        }
        faults
    }

    /// Puts a rule in force and returns its number.
    pub(crate) fn add(&self, rule: FaultRule) -> u64 {
        let mut rules = lock(&self.rules);
        rules.last_id += 1;
        let fault_id = rules.last_id;
        rules.active.push(ActiveFault { fault_id, struck: 0, rule });
        self.present.store(true, Ordering::Release);
        fault_id
    }

    /// Removes one rule, or all; returns how many.
    pub(crate) fn clear(&self, fault_id: Option<u64>) -> usize {
        let mut rules = lock(&self.rules);
        let before = rules.active.len();
        rules.active.retain(|fault| fault_id.is_some_and(|id| id != fault.fault_id));
        self.present.store(!rules.active.is_empty(), Ordering::Release);
        before - rules.active.len()
    }

    pub(crate) fn list(&self) -> Vec<ActiveFault> {
        lock(&self.rules).active.clone()
    }

    /// Returns the rule that strikes a call, if any.
    pub(crate) fn strike_call(
        &self,
        api: &str,
        client_id: &str,
        mall_id: Option<u64>,
        dice: &Dice,
    ) -> Option<FaultRule> {
        self.strike(dice, |rule| !rule.kind.is_push() && rule.covers(api, Some(client_id), mall_id))
    }

    /// Returns the kind of fault that strikes a message, if any.
    pub(crate) fn strike_push(&self, topic: &str, client_id: &str, mall_id: u64, dice: &Dice) -> Option<FaultKind> {
        self.strike(dice, |rule| rule.kind.is_push() && rule.covers(topic, Some(client_id), Some(mall_id)))
            .map(|rule| rule.kind)
    }

    fn strike(&self, dice: &Dice, covers: impl Fn(&FaultRule) -> bool) -> Option<FaultRule> {
        if !self.present.load(Ordering::Acquire) {
            return None;
        }
        let mut rules = lock(&self.rules);
        let fault = rules.active.iter_mut().find(|fault| covers(&fault.rule) && dice.chance(fault.rule.probability))?;
        fault.struck += 1;
        fault.rule.remaining = fault.rule.remaining.map(|left| left.saturating_sub(1));
        Some(fault.rule.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> FaultRule {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn a_rule_strikes_what_it_names_and_wears_out() {
        let faults =
            Faults::new(&[rule(r#"{"api":"pdd.order.*","mall_id":1,"remaining":2,"kind":"code","code":70031}"#)]);
        let dice = Dice::new(1);
        assert!(faults.strike_call("pdd.goods.list.get", "c", Some(1), &dice).is_none());
        assert!(faults.strike_call("pdd.order.list.get", "c", Some(2), &dice).is_none());
        assert!(faults.strike_call("pdd.order.list.get", "c", None, &dice).is_none());
        for _ in 0..2 {
            assert!(faults.strike_call("pdd.order.list.get", "c", Some(1), &dice).is_some());
        }
        assert!(faults.strike_call("pdd.order.list.get", "c", Some(1), &dice).is_none());
        assert_eq!(faults.clear(None), 1);
    }

    #[test]
    fn push_faults_leave_calls_alone() {
        let faults = Faults::new(&[rule(r#"{"api":"pdd_trade_*","kind":"missed_push"}"#)]);
        let dice = Dice::new(1);
        assert!(faults.strike_call("pdd_trade_x", "c", Some(1), &dice).is_none());
        assert_eq!(faults.strike_push("pdd_trade_TradeConfirmed", "c", 1, &dice), Some(FaultKind::MissedPush));
    }

    #[test]
    fn a_probability_is_kept_and_repeats_with_the_seed() {
        let run = |seed| {
            let faults = Faults::new(&[rule(r#"{"probability":0.3,"kind":"drop_connection"}"#)]);
            let dice = Dice::new(seed);
            (0..1000).map(|_| faults.strike_call("x", "c", None, &dice).is_some()).collect::<Vec<_>>()
        };
        let struck = run(7).into_iter().filter(|struck| *struck).count();
        assert!((250..350).contains(&struck), "{struck}");
        assert_eq!(run(7), run(7));
        assert_ne!(run(7), run(8));
    }
}
