//! Redemption rules: every order gets one verdict with reasons, from the first rule that is about it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::redemption_rules::{
    AmountRange, Conditions, DailyCounts, DailyWindow, Evaluation, Facts, MinuteOfDay, RefundState, Rule, RuleAction,
    RuleSet, Verdict, evaluate,
};
use kamiflow_kernel::{Fen, ProductId, RuleId, ShopId, SkuId, parse_platform_time};
use uuid::Uuid;

use crate::bytes::Bytes;

const REFUNDS: &[RefundState] = &[RefundState::None, RefundState::Open, RefundState::Closed, RefundState::Refunded];
const ACTIONS: &[RuleAction] = &[RuleAction::Redeem, RuleAction::Hold, RuleAction::Never];
const SHANGHAI: TimeDelta = TimeDelta::hours(8);

/// Judges an order drawn from the first bytes by rules: drawn from the rest, or the rest read as stored JSON.
pub fn run(input: &[u8]) {
    let mut choices = Bytes::new(input);
    let stored = choices.flag();
    let now = moment(&mut choices);
    let mut facts = any_facts(&mut choices);
    let count = u32::from(choices.below(5));
    let rules = if stored {
        let Ok(text) = std::str::from_utf8(choices.rest()) else { return };
        match RuleSet::from_json(text) {
            Ok(rules) => rules,
            Err(error) => return assert!(!error.to_string().is_empty()),
        }
    } else {
        let drawn = (0..choices.below(6)).map(|n| any_rule(&mut choices, n)).collect();
        let Ok(rules) = RuleSet::new(drawn) else { return };
        rules
    };
    let written = rules.to_json().expect("rules can be written");
    assert_eq!(RuleSet::from_json(&written).expect("what was written is read"), rules);
    let day = Some((now + SHANGHAI).date_naive());
    facts.redeemed = DailyCounts { day, by_rule: rules.rules.iter().map(|rule| (rule.id, count)).collect() };
    judge(&rules, &facts, now);
}

fn judge(rules: &RuleSet, facts: &Facts, now: DateTime<Utc>) {
    let told = evaluate(rules, facts, now);
    assert_eq!(told, evaluate(rules, facts, now), "the same input means the same");
    let (zh, en) = (told.explain_zh(), told.explain_en());
    assert!(!zh.is_empty() && zh.len() == en.len(), "{told:?}");
    assert!(zh.iter().chain(&en).all(|sentence| !sentence.is_empty()), "{told:?}");
    assert!(told.next_check_at().is_none_or(|next| next >= now), "{told:?}");
    let above = facts.delivered_at.is_none() || facts.refund == RefundState::Refunded;
    if above || facts.refund == RefundState::Open {
        assert_ne!(told.verdict, Verdict::Redeem, "declared used, which is not true: {told:?}");
    }
    the_first_rule_decides(rules, facts, &told, above);
    a_wait_ends_when_it_says(rules, facts, &told);
    events_only_help(rules, facts, &told);
    redemptions_only_hinder(rules, facts, &told);
    time_only_helps(rules, facts, &told);
}

/// Whether a rule is about an order, said in a way of its own.
fn is_about(rule: &Rule, facts: &Facts) -> bool {
    let conditions = &rule.conditions;
    let product = facts.product.as_ref();
    let sku = facts.sku.as_ref();
    rule.enabled
        && conditions.shops.as_ref().is_none_or(|set| set.contains(&facts.shop))
        && conditions.products.as_ref().is_none_or(|set| product.is_some_and(|id| set.contains(id)))
        && conditions.skus.as_ref().is_none_or(|set| sku.is_some_and(|id| set.contains(id)))
        && conditions.amount.and_then(|range| range.min).is_none_or(|min| facts.amount >= min)
        && conditions.amount.and_then(|range| range.max).is_none_or(|max| facts.amount <= max)
        && conditions.refund.as_ref().is_none_or(|set| set.contains(&facts.refund))
}

fn the_first_rule_decides(rules: &RuleSet, facts: &Facts, told: &Evaluation, above: bool) {
    let at = rules.rules.iter().position(|rule| is_about(rule, facts)).filter(|_| !above);
    let first = at.and_then(|at| rules.rules.get(at));
    assert_eq!(told.rule, first.map(|rule| rule.id), "{told:?}");
    if !above {
        assert_eq!(told.verdict == Verdict::NoRule, first.is_none(), "{told:?}");
    }
    let Some((at, first)) = at.zip(first) else { return };
    // Neither what stands below it nor what is about other orders has a say.
    for kept in [rules.rules.get(..=at).unwrap_or_default(), std::slice::from_ref(first)] {
        let alone = RuleSet::new(kept.to_vec()).expect("a part of sound rules is sound");
        let again = evaluate(&alone, facts, told.at);
        assert_eq!((again.verdict, again.rule), (told.verdict, told.rule));
    }
}

fn a_wait_ends_when_it_says(rules: &RuleSet, facts: &Facts, told: &Evaluation) {
    let Verdict::Wait { until: Some(until) } = told.verdict else { return };
    assert!(until > told.at, "{told:?}");
    let then = evaluate(rules, facts, until);
    assert!(!matches!(then.verdict, Verdict::Wait { .. }), "still waits: {then:?}");
    let before = (until - TimeDelta::seconds(1)).max(told.at);
    assert_eq!(evaluate(rules, facts, before).verdict, told.verdict, "it could have acted before");
}

/// An order that acts goes on acting when more has happened to it.
fn events_only_help(rules: &RuleSet, facts: &Facts, told: &Evaluation) {
    let event = Some(told.at);
    for more in [
        Facts { received_at: facts.received_at.or(event), ..facts.clone() },
        Facts { use_reported_at: facts.use_reported_at.or(event), ..facts.clone() },
        Facts { seen_at: facts.seen_at.or(event), ..facts.clone() },
    ] {
        let then = evaluate(rules, &more, told.at);
        assert_eq!(then.rule, told.rule, "an event chose another rule");
        if !matches!(told.verdict, Verdict::Wait { .. }) {
            assert_eq!(then.verdict, told.verdict);
        }
    }
}

/// A rule that has redeemed more that day never acts where it would have waited.
fn redemptions_only_hinder(rules: &RuleSet, facts: &Facts, told: &Evaluation) {
    let mut more = facts.clone();
    more.redeemed.by_rule.values_mut().for_each(|count| *count += 1);
    let then = evaluate(rules, &more, told.at);
    assert_eq!(then.rule, told.rule);
    if matches!(told.verdict, Verdict::Wait { .. }) {
        assert!(matches!(then.verdict, Verdict::Wait { .. }), "{told:?} became {then:?}");
    }
}

/// Where neither the time of day nor a daily cap has a say, what acts now acts at any later time.
fn time_only_helps(rules: &RuleSet, facts: &Facts, told: &Evaluation) {
    let first = rules.rules.iter().find(|rule| Some(rule.id) == told.rule);
    let by_clock =
        first.is_some_and(|rule| rule.conditions.time_of_day.is_some() || rule.conditions.daily_cap.is_some());
    if by_clock || matches!(told.verdict, Verdict::Wait { .. }) {
        return;
    }
    for minutes in [1, 719, 100_000] {
        let then = evaluate(rules, facts, told.at + TimeDelta::minutes(minutes));
        assert_eq!((then.verdict, then.rule), (told.verdict, told.rule), "after {minutes} minutes");
    }
}

fn id(n: u8) -> Uuid {
    Uuid::from_u128(u128::from(n))
}

fn moment(choices: &mut Bytes<'_>) -> DateTime<Utc> {
    let base = parse_platform_time("2026-11-20 00:00:00").expect("the time is one");
    base + TimeDelta::seconds(i64::from(choices.byte()) * 1801 + i64::from(choices.byte()))
}

fn any_facts(choices: &mut Bytes<'_>) -> Facts {
    Facts {
        shop: ShopId::from_uuid(id(choices.below(3))),
        product: choices.maybe(|c| ProductId::from_uuid(id(c.below(3)))),
        sku: choices.maybe(|c| SkuId::from_uuid(id(c.below(3)))),
        amount: Fen(i64::from(choices.byte()) * 10),
        delivered_at: (choices.below(4) > 0).then(|| moment(choices)),
        received_at: choices.maybe(moment),
        use_reported_at: choices.maybe(moment),
        seen_at: choices.maybe(moment),
        refund: choices.one_of(REFUNDS),
        redeemed: DailyCounts { day: None, by_rule: BTreeMap::new() },
    }
}

fn any_rule(choices: &mut Bytes<'_>, n: u8) -> Rule {
    let minute = |choices: &mut Bytes<'_>| {
        let text = format!("{:02}:{:02}", choices.below(24), choices.below(60));
        MinuteOfDay::try_from(text).expect("the time of day is one")
    };
    let set = |choices: &mut Bytes<'_>| (0..=choices.below(2)).map(|_| id(choices.below(3))).collect::<BTreeSet<_>>();
    let conditions = Conditions {
        shops: choices.maybe(|c| set(c).into_iter().map(ShopId::from_uuid).collect()),
        products: choices.maybe(|c| set(c).into_iter().map(ProductId::from_uuid).collect()),
        skus: choices.maybe(|c| set(c).into_iter().map(SkuId::from_uuid).collect()),
        amount: choices.maybe(|c| AmountRange {
            min: c.maybe(|c| Fen(i64::from(c.byte()) * 10)),
            max: c.maybe(|c| Fen(i64::from(c.byte()) * 10)),
        }),
        refund: choices.maybe(|c| (0..=c.below(2)).map(|_| c.one_of(REFUNDS)).collect()),
        delay_after_delivery_minutes: choices.maybe(|c| u32::from(c.byte()) * 60),
        receipt_confirmed: choices.flag(),
        use_reported: choices.flag(),
        seen_by_buyer: choices.flag(),
        time_of_day: choices.maybe(|c| DailyWindow { from: minute(c), to: minute(c) }),
        daily_cap: choices.maybe(|c| u32::from(c.below(4))),
    };
    let action = choices.one_of(ACTIONS);
    let enabled = choices.below(4) > 0;
    Rule { id: RuleId::from_uuid(id(n)), name: format!("r{n}"), enabled, conditions, action }
}
