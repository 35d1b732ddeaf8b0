//! Examples of rules and verdicts, and the properties that hold for all of them.

use std::collections::BTreeSet;

use kamiflow_kernel::{format_platform_time, parse_platform_time};
use proptest::prelude::*;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    parse_platform_time(&format!("2026-11-{text}")).unwrap()
}

fn facts() -> Facts {
    Facts {
        shop: ShopId::generate(),
        product: None,
        sku: None,
        amount: Fen(990),
        delivered_at: Some(at("22 14:05:00")),
        received_at: None,
        use_reported_at: None,
        seen_at: None,
        refund: RefundState::None,
        redeemed: DailyCounts::default(),
    }
}

fn rule(name: &str, action: RuleAction, conditions: Conditions) -> Rule {
    Rule { id: RuleId::generate(), name: name.to_owned(), enabled: true, conditions, action }
}

fn redeem(conditions: Conditions) -> Rule {
    rule("r", RuleAction::Redeem, conditions)
}

fn set(rules: Vec<Rule>) -> RuleSet {
    RuleSet::new(rules).unwrap()
}

fn window(from: &str, to: &str) -> DailyWindow {
    let minute = |text: &str| MinuteOfDay::try_from(text.to_owned()).unwrap();
    DailyWindow { from: minute(from), to: minute(to) }
}

fn until(evaluation: &Evaluation) -> String {
    match evaluation.verdict {
        Verdict::Wait { until: Some(until) } => format_platform_time(until),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_presets_redeem_at_once_a_day_later_and_after_receipt() {
    let [now, later] = [at("22 15:00:00"), at("23 14:05:00")];
    let verdict =
        |preset: Preset, facts: &Facts, now| evaluate(&set(vec![preset.rule(RuleId::generate())]), facts, now).verdict;
    assert_eq!(verdict(Preset::Immediately, &facts(), now), Verdict::Redeem);
    assert_eq!(verdict(Preset::DayAfterDelivery, &facts(), now), Verdict::Wait { until: Some(later) });
    assert_eq!(verdict(Preset::DayAfterDelivery, &facts(), later), Verdict::Redeem);
    assert_eq!(verdict(Preset::AfterReceipt, &facts(), later), Verdict::Wait { until: None });
    let received = Facts { received_at: Some(now), ..facts() };
    assert_eq!(verdict(Preset::AfterReceipt, &received, now), Verdict::Redeem);
}

#[test]
fn an_explanation_names_the_rule_and_the_time() {
    let other = BTreeSet::from([ShopId::generate()]);
    let rules = set(vec![
        rule("旗舰店", RuleAction::Never, Conditions { shops: Some(other), ..Conditions::default() }),
        rule("24 h after delivery", RuleAction::Redeem, Preset::DayAfterDelivery.rule(RuleId::generate()).conditions),
    ]);
    let evaluation = evaluate(&rules, &facts(), at("23 09:00:00"));
    assert_eq!(
        evaluation.explain_en(),
        [
            "rule ‘旗舰店’ does not apply: another shop",
            "rule ‘24 h after delivery’ applies",
            "24 h after the delivery is at 14:05",
            "waits until 14:05 because of rule ‘24 h after delivery’",
        ]
    );
    assert_eq!(
        evaluation.explain_zh(),
        [
            "规则“旗舰店”不适用：店铺不符",
            "适用规则“24 h after delivery”",
            "发货后需等待 24小时，到 14:05 为止",
            "等到 14:05，依据规则“24 h after delivery”",
        ]
    );
    assert_eq!(evaluation.next_check_at(), Some(at("23 14:05:00")));
    let day_before = evaluate(&rules, &facts(), at("22 20:00:00")).explain_en();
    assert_eq!(day_before.last().unwrap(), "waits until 2026-11-23 14:05 because of rule ‘24 h after delivery’");
}

#[test]
fn a_waiting_rule_keeps_its_place() {
    let slow = redeem(Conditions { delay_after_delivery_minutes: Some(7 * 1440), ..Conditions::default() });
    let (slow_id, fast) = (slow.id, redeem(Conditions::default()));
    let evaluation = evaluate(&set(vec![slow, fast]), &facts(), at("22 15:00:00"));
    assert_eq!((until(&evaluation).as_str(), evaluation.rule), ("2026-11-29 14:05:00", Some(slow_id)));
}

#[test]
fn nothing_is_redeemed_before_delivery_under_an_after_sale_or_after_a_refund() {
    let rules = set(vec![redeem(Conditions::default())]);
    let now = at("22 15:00:00");
    let verdict = |facts: &Facts| evaluate(&rules, facts, now).verdict;
    assert_eq!(verdict(&Facts { delivered_at: None, ..facts() }), Verdict::Wait { until: None });
    assert_eq!(verdict(&Facts { refund: RefundState::Open, ..facts() }), Verdict::Wait { until: None });
    assert_eq!(verdict(&Facts { refund: RefundState::Refunded, ..facts() }), Verdict::Never);
    assert_eq!(verdict(&Facts { refund: RefundState::Closed, ..facts() }), Verdict::Redeem);
    let approve = set(vec![rule("approve", RuleAction::Hold, Conditions::default())]);
    assert_eq!(evaluate(&approve, &Facts { refund: RefundState::Open, ..facts() }, now).verdict, Verdict::Hold);
    assert_eq!(evaluate(&set(vec![]), &facts(), now).verdict, Verdict::NoRule);
}

#[test]
fn a_window_may_cross_midnight() {
    let night = set(vec![redeem(Conditions { time_of_day: Some(window("22:00", "06:00")), ..Conditions::default() })]);
    let day = set(vec![redeem(Conditions { time_of_day: Some(window("09:00", "18:00")), ..Conditions::default() })]);
    let f = facts();
    for now in ["22 22:00:00", "23 00:00:00", "23 05:59:59"] {
        assert_eq!(evaluate(&night, &f, at(now)).verdict, Verdict::Redeem, "{now}");
    }
    for now in ["22 14:05:00", "22 21:59:59"] {
        assert_eq!(until(&evaluate(&night, &f, at(now))), "2026-11-22 22:00:00", "{now}");
    }
    assert_eq!(until(&evaluate(&night, &f, at("23 06:00:00"))), "2026-11-23 22:00:00");
    assert_eq!(until(&evaluate(&day, &f, at("22 18:00:00"))), "2026-11-23 09:00:00");
    assert_eq!(until(&evaluate(&day, &f, at("23 00:00:00"))), "2026-11-23 09:00:00");
}

#[test]
fn a_reached_cap_waits_for_midnight_and_then_for_the_window() {
    let capped = |time_of_day| redeem(Conditions { daily_cap: Some(2), time_of_day, ..Conditions::default() });
    for (time_of_day, expected) in
        [(None, "2026-11-23 00:00:00"), (Some(window("09:00", "18:00")), "2026-11-23 09:00:00")]
    {
        let rule = capped(time_of_day);
        let day = at("22 15:00:00").date_naive();
        let counts = |count| DailyCounts { day: Some(day), by_rule: BTreeMap::from([(rule.id, count)]) };
        let rules = set(vec![rule.clone()]);
        let with = |count| Facts { redeemed: counts(count), ..facts() };
        assert_eq!(evaluate(&rules, &with(1), at("22 15:00:00")).verdict, Verdict::Redeem);
        assert_eq!(until(&evaluate(&rules, &with(2), at("22 15:00:00"))), expected);
        assert_eq!(evaluate(&rules, &with(2), at("23 15:00:00")).verdict, Verdict::Redeem, "a count of yesterday");
    }
}

#[test]
fn rules_survive_storage_and_unknown_fields_are_refused() {
    let rules = set(vec![
        redeem(Conditions {
            shops: Some(BTreeSet::from([ShopId::generate()])),
            products: Some(BTreeSet::from([ProductId::generate()])),
            skus: Some(BTreeSet::from([SkuId::generate()])),
            amount: Some(AmountRange { min: Some(Fen(1)), max: None }),
            refund: Some(BTreeSet::from([RefundState::None, RefundState::Closed])),
            delay_after_delivery_minutes: Some(5),
            receipt_confirmed: true,
            use_reported: true,
            seen_by_buyer: true,
            time_of_day: Some(window("22:00", "06:00")),
            daily_cap: Some(3),
        }),
        rule("rest", RuleAction::Never, Conditions::default()),
    ]);
    let json = rules.to_json().unwrap();
    assert_eq!(RuleSet::from_json(&json).unwrap(), rules);
    for (from, to) in [
        ("\"daily_cap\"", "\"dayly_cap\""),
        ("\"version\":1", "\"version\":1,\"x\":1"),
        ("\"max\"", "\"most\""),
        ("\"22:00\"", "\"24:00\""),
        ("\"22:00\"", "\"9:00\""),
        ("\"never\"", "\"perhaps\""),
    ] {
        let changed = json.replace(from, to);
        if changed != json {
            assert!(matches!(RuleSet::from_json(&changed), Err(RuleSetError::Json(_))), "{to}");
        } else {
            assert_eq!(from, "\"max\"", "only an open end is not written");
        }
    }
    let newer = json.replace("\"version\":1", "\"version\":2,\"new\":true");
    assert!(matches!(RuleSet::from_json(&newer), Err(RuleSetError::Version(2))));
}

#[test]
fn rules_that_make_no_sense_are_refused_by_name() {
    let c = Conditions::default;
    let fault = |action, conditions| rule("r", action, conditions).validate().unwrap_err();
    let redeeming = |conditions| fault(RuleAction::Redeem, conditions);
    assert_eq!(redeeming(Conditions { products: Some(BTreeSet::new()), ..c() }), RuleFault::EmptySet);
    for range in [(Some(Fen(2)), Some(Fen(1))), (None, None)] {
        let amount = Some(AmountRange { min: range.0, max: range.1 });
        assert_eq!(redeeming(Conditions { amount, ..c() }), RuleFault::EmptyAmount);
    }
    let long = Some(90 * 1440 + 1);
    assert_eq!(redeeming(Conditions { delay_after_delivery_minutes: long, ..c() }), RuleFault::LongDelay);
    assert_eq!(redeeming(Conditions { time_of_day: Some(window("09:00", "09:00")), ..c() }), RuleFault::EmptyWindow);
    assert_eq!(redeeming(Conditions { daily_cap: Some(0), ..c() }), RuleFault::ZeroCap);
    assert_eq!(fault(RuleAction::Never, Conditions { seen_by_buyer: true, ..c() }), RuleFault::NeverWaits);
    assert_eq!(fault(RuleAction::Hold, Conditions { daily_cap: Some(1), ..c() }), RuleFault::CapWithoutRedeem);
    for state in [RefundState::Open, RefundState::Refunded] {
        let refund = Some(BTreeSet::from([state]));
        assert_eq!(redeeming(Conditions { refund, ..c() }), RuleFault::RedeemRefunded);
    }
    assert_eq!(Rule { name: " ".to_owned(), ..redeem(c()) }.validate(), Err(RuleFault::Name));
    let twice = redeem(c());
    let error = RuleSet::new(vec![twice.clone(), twice]).unwrap_err();
    assert_eq!(error.to_string(), "rule 2 `r`: another rule has the same id");
    assert!(matches!(RuleSet::new((0..101).map(|_| redeem(c())).collect()), Err(RuleSetError::TooMany)));
}

#[test]
fn a_dry_run_counts_and_respects_the_cap() {
    let capped = redeem(Conditions { daily_cap: Some(3), ..Conditions::default() });
    let unused = rule("unused", RuleAction::Never, Conditions::default());
    let (capped_id, unused_id) = (capped.id, unused.id);
    let day = at("22 15:00:00").date_naive();
    let redeemed = DailyCounts { day: Some(day), by_rule: BTreeMap::from([(capped_id, 1)]) };
    let mut orders = vec![Facts { redeemed, ..facts() }; 5];
    orders.push(Facts { delivered_at: None, ..facts() });
    let run = dry_run(&set(vec![capped, unused]), orders, at("22 15:00:00"));
    assert_eq!((run.all.redeem, run.all.wait, run.all.wait_for_event, run.all.total()), (2, 4, 1, 6));
    assert_eq!(run.by_rule.get(&capped_id).unwrap().total(), 5);
    assert_eq!(run.by_rule.get(&unused_id), Some(&VerdictCounts::default()));
    assert_eq!((run.earliest_wait, run.latest_wait), (Some(at("23 00:00:00")), Some(at("23 00:00:00"))));
}

fn conditions() -> impl Strategy<Value = (Conditions, bool)> {
    let minute = || (0..24_u32, 0..60_u32).prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"));
    let window = (minute(), minute()).prop_filter("opens and closes at once", |(from, to)| from != to);
    (
        prop::option::of(0..3000_u32),
        any::<[bool; 3]>(),
        prop::option::of(window),
        prop::option::of(1..4_u32),
        prop::option::of(0..2000_i64),
    )
        .prop_map(|(delay, [receipt, used, seen], hours, cap, min)| {
            let conditions = Conditions {
                delay_after_delivery_minutes: delay,
                receipt_confirmed: receipt,
                use_reported: used,
                seen_by_buyer: seen,
                time_of_day: hours.map(|(from, to)| self::window(&from, &to)),
                daily_cap: cap,
                amount: min.map(|min| AmountRange { min: Some(Fen(min)), max: None }),
                ..Conditions::default()
            };
            (conditions, cap.is_none())
        })
}

fn any_rules() -> impl Strategy<Value = RuleSet> {
    let one = (conditions(), any::<bool>(), any::<bool>()).prop_map(|((conditions, may_hold), hold, enabled)| {
        let action = if hold && may_hold { RuleAction::Hold } else { RuleAction::Redeem };
        Rule { enabled, ..rule("r", action, conditions) }
    });
    prop::collection::vec(one, 0..5).prop_map(set)
}

fn any_facts() -> impl Strategy<Value = Facts> {
    let state =
        prop::sample::select(vec![RefundState::None, RefundState::Open, RefundState::Closed, RefundState::Refunded]);
    (prop::option::weighted(0.9, 0..200_000_i64), any::<[bool; 3]>(), 0..2000_i64, state).prop_map(
        |(delivered, [received, used, seen], amount, refund)| Facts {
            delivered_at: delivered.map(|seconds| at("21 00:00:00") + chrono::TimeDelta::seconds(seconds)),
            received_at: received.then(|| at("22 00:00:00")),
            use_reported_at: used.then(|| at("22 00:00:00")),
            seen_at: seen.then(|| at("22 00:00:00")),
            amount: Fen(amount),
            refund,
            ..facts()
        },
    )
}

fn with_counts(facts: Facts, rules: &RuleSet, now: DateTime<Utc>, count: u32) -> Facts {
    let day = Some((now + chrono::TimeDelta::hours(8)).date_naive());
    let by_rule = rules.rules.iter().map(|rule| (rule.id, count)).collect();
    Facts { redeemed: DailyCounts { day, by_rule }, ..facts }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_verdict_is_the_same_for_the_same_input_and_holds_exactly_until_its_time(
        rules in any_rules(), facts in any_facts(), seconds in 0..400_000_i64, count in 0..4_u32
    ) {
        let now = at("21 00:00:00") + chrono::TimeDelta::seconds(seconds);
        let facts = with_counts(facts, &rules, now, count);
        let evaluation = evaluate(&rules, &facts, now);
        prop_assert_eq!(&evaluation, &evaluate(&rules, &facts, now));
        prop_assert_eq!(evaluation.explain_zh().len(), evaluation.explain_en().len());
        prop_assert!(!evaluation.explanation.is_empty());
        if let Some(next) = evaluation.next_check_at() {
            prop_assert!(next >= now);
        }
        if let Verdict::Wait { until: Some(until) } = evaluation.verdict {
            prop_assert!(until > now);
            let then = evaluate(&rules, &facts, until);
            prop_assert!(!matches!(then.verdict, Verdict::Wait { .. }), "no progress at {until}: {then:?}");
            let just_before = until - chrono::TimeDelta::seconds(1);
            prop_assert_eq!(evaluate(&rules, &facts, just_before.max(now)).verdict, evaluation.verdict);
        }
    }

    #[test]
    fn the_first_rule_that_is_about_the_order_decides(rules in any_rules(), facts in any_facts()) {
        let now = at("23 10:00:00");
        let evaluation = evaluate(&rules, &facts, now);
        let first = rules.rules.iter().find(|rule| {
            rule.enabled && rule.conditions.amount.is_none_or(|range| range.contains(facts.amount))
        });
        let above_rules = facts.delivered_at.is_none() || facts.refund == RefundState::Refunded;
        prop_assert_eq!(evaluation.rule, first.filter(|_| !above_rules).map(|rule| rule.id));
        if let Some(first) = first {
            prop_assert_eq!(evaluate(&set(vec![first.clone()]), &facts, now).verdict, evaluation.verdict);
        }
    }

    #[test]
    fn a_rule_about_other_orders_in_front_changes_nothing(
        rules in any_rules(), facts in any_facts(), hold in any::<bool>()
    ) {
        let now = at("23 10:00:00");
        let action = if hold { RuleAction::Hold } else { RuleAction::Never };
        let other_shop = Conditions { shops: Some(BTreeSet::from([ShopId::generate()])), ..Conditions::default() };
        let unknown_sku = Conditions { skus: Some(BTreeSet::from([SkuId::generate()])), ..Conditions::default() };
        let mut more = vec![rule("other shop", action, other_shop), rule("unknown SKU", action, unknown_sku)];
        more.push(Rule { enabled: false, ..rule("off", RuleAction::Never, Conditions::default()) });
        more.extend(rules.rules.iter().cloned());
        let (with, without) = (evaluate(&set(more), &facts, now), evaluate(&rules, &facts, now));
        prop_assert_eq!((with.verdict, with.rule), (without.verdict, without.rule));
    }

    #[test]
    fn an_open_or_finished_refund_is_never_redeemed(rules in any_rules(), facts in any_facts()) {
        let verdict = evaluate(&rules, &facts, at("25 10:00:00")).verdict;
        if matches!(facts.refund, RefundState::Open | RefundState::Refunded) || facts.delivered_at.is_none() {
            prop_assert_ne!(verdict, Verdict::Redeem);
        }
    }
}
