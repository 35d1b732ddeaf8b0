//! Decisions: refunds above everything, a person above the rules, the rules above nothing else.

use kamiflow_kernel::RuleId;
use proptest::prelude::*;

use super::*;
use crate::redemption_rules::{Conditions, Rule, RuleAction};

fn at(minutes: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_795_371_800 + minutes * 60, 0).unwrap()
}

fn facts() -> Facts {
    Facts {
        shop: ShopId::generate(),
        product: None,
        sku: None,
        amount: Fen(990),
        delivered_at: Some(at(0)),
        received_at: None,
        use_reported_at: None,
        seen_at: None,
        refund: RefundState::None,
        redeemed: DailyCounts::default(),
    }
}

fn one(action: RuleAction, conditions: Conditions) -> RuleSet {
    let rule = Rule { id: RuleId::generate(), name: "r".to_owned(), enabled: true, conditions, action };
    RuleSet::new(vec![rule]).unwrap()
}

fn parked(decision: Decision) -> Park {
    let Decision::Park(park) = decision else { panic!("{decision:?}") };
    park
}

#[test]
fn without_a_rule_nothing_is_redeemed_and_it_waits_to_be_woken() {
    let none = RuleSet::new(Vec::new()).unwrap();
    let park = parked(decide(&none, &facts(), None, at(1)));
    assert_eq!((park.to, park.due_at), (RedemptionState::Waiting, None));
    assert!(park.explanation.to_string().contains("no rule applies"));
}

#[test]
fn a_delay_is_waited_for_exactly() {
    let rules = one(RuleAction::Redeem, Conditions { delay_after_delivery_minutes: Some(30), ..Conditions::default() });
    let park = parked(decide(&rules, &facts(), None, at(29)));
    assert_eq!((park.to, park.due_at), (RedemptionState::Waiting, Some(at(30))));
    assert!(matches!(decide(&rules, &facts(), None, at(30)), Decision::Call { rule: Some(_), .. }));
}

#[test]
fn a_held_order_asks_for_approval_and_an_approval_is_enough() {
    let rules = one(RuleAction::Hold, Conditions::default());
    let park = parked(decide(&rules, &facts(), None, at(1)));
    assert_eq!((park.to, park.due_at), (RedemptionState::AwaitingApproval, None));
    assert_eq!(park.exception, Some(ReasonCode::ApprovalNeeded));
    assert_eq!(decide(&rules, &facts(), Some("operator"), at(1)), Decision::Call { rule: None, daily_cap: None });
}

#[test]
fn the_platforms_two_numbers_say_where_a_refund_stands() {
    assert_eq!(refund_state(1, 0), RefundState::None);
    for closed in [9, 11, 12] {
        assert_eq!(refund_state(1, closed), RefundState::Closed);
    }
    for open in [2, 3, 4, 5, 6, 7, 8, 14, 31] {
        assert_eq!(refund_state(1, open), RefundState::Open, "{open}");
    }
    assert_eq!(refund_state(2, 0), RefundState::Open);
    assert_eq!(refund_state(3, 0), RefundState::Open);
    assert_eq!(refund_state(4, 0), RefundState::Refunded);
    assert_eq!(refund_state(1, 10), RefundState::Refunded);
}

#[test]
fn a_day_begins_at_midnight_in_shanghai() {
    let late: DateTime<Utc> = "2026-11-22T15:59:59Z".parse().unwrap();
    let (day, start) = day_of(late);
    assert_eq!(day.to_string(), "2026-11-22");
    assert_eq!(start, "2026-11-21T16:00:00Z".parse::<DateTime<Utc>>().unwrap());
    assert_eq!(tomorrow(late), "2026-11-22T16:00:00Z".parse::<DateTime<Utc>>().unwrap());
}

proptest! {
    /// Whatever rules and people say: a call needs an order without an open or made refund.
    #[test]
    fn no_call_is_ever_decided_over_a_refund(
        refund in prop_oneof![Just(RefundState::None), Just(RefundState::Open), Just(RefundState::Closed), Just(RefundState::Refunded)],
        approved in any::<bool>(),
        action in prop_oneof![Just(RuleAction::Redeem), Just(RuleAction::Hold), Just(RuleAction::Never)],
        delivered in any::<bool>(),
    ) {
        let facts = Facts { refund, delivered_at: delivered.then(|| at(0)), ..facts() };
        let decision = decide(&one(action, Conditions::default()), &facts, approved.then_some("operator"), at(5));
        if let Decision::Call { .. } = decision {
            prop_assert!(matches!(refund, RefundState::None | RefundState::Closed));
            prop_assert!(approved || (action == RuleAction::Redeem && delivered));
        }
    }
}
