//! Each way in which the books can differ is found, and those in which they may is not.

use serde_json::{Value, json};

use super::*;

fn ledger(orders: &Value, effects: &Value) -> Ledger {
    let mut whole = json!({ "vouchers": [], "issued_cards": [], "charges": [], "shipments": [], "orders": orders });
    for (kind, entries) in effects.as_object().unwrap() {
        whole[kind] = entries.clone();
    }
    serde_json::from_value(whole).unwrap()
}

fn order(sn: &str, quantity: i64) -> Value {
    json!({ "order_sn": sn, "quantity": quantity, "order_status": 2, "refund_status": 1,
            "paid_ms": 0, "delivered_ms": 5 })
}

fn voucher(sn: &str, number: &str) -> Value {
    json!({ "order_sn": sn, "voucher_no": number, "at_ms": 5 })
}

fn our(method: DeliveryMethod, cards: &[&str]) -> OurOrder {
    OurOrder {
        state: Some(OrderState::Delivered),
        method: Some(method),
        delivered: true,
        ended: true,
        in_review: false,
        cards: cards.iter().map(|shown| card(shown)).collect(),
    }
}

fn card(shown: &str) -> OurCard {
    let number = shown.split(' ').next().unwrap();
    OurCard { number: number.to_owned(), shown: shown.to_owned() }
}

fn books(entries: &[(&str, OurOrder)]) -> BTreeMap<String, OurOrder> {
    entries.iter().map(|(sn, our)| ((*sn).to_owned(), our.clone())).collect()
}

fn sums(verdict: &Verdict) -> (u64, u64, u64, u64) {
    (verdict.duplicates, verdict.lost, verdict.oversold, verdict.cards_issued)
}

#[test]
fn books_that_agree_are_clean() {
    let ledger = ledger(
        &json!([order("A", 2), order("B", 1), order("C", 1), order("D", 1)]),
        &json!({
            "vouchers": [voucher("A", "1 secret"), voucher("A", "2")],
            "charges": [{ "order_sn": "B", "status": "SUCCESS" }],
            "shipments": [{ "order_sn": "C" }],
            "issued_cards": [{ "order_sn": "D", "card_no": "4", "goods_type": 15 }],
        }),
    );
    let ours = books(&[
        ("A", our(DeliveryMethod::VoucherSend, &["1 secret", "2"])),
        ("B", our(DeliveryMethod::ChargeNotify, &[])),
        ("C", our(DeliveryMethod::PickupPage, &["3"])),
        ("D", our(DeliveryMethod::PlatformPool, &["4"])),
    ]);
    let verdict = compare(&ledger, &ours, true);
    assert!(verdict.is_clean(), "{verdict:?}");
    assert_eq!(sums(&verdict), (0, 0, 0, 4));
}

#[test]
fn what_came_twice_is_a_duplicate() {
    let ledger = ledger(
        &json!([order("A", 1), order("B", 1)]),
        &json!({
            "vouchers": [voucher("A", "1"), voucher("A", "1")],
            "charges": [{ "order_sn": "B", "status": "SUCCESS" }, { "order_sn": "B", "status": "SUCCESS" }],
        }),
    );
    let ours = books(&[("A", our(DeliveryMethod::VoucherSend, &["1"])), ("B", our(DeliveryMethod::ChargeNotify, &[]))]);
    assert_eq!(compare(&ledger, &ours, true).duplicates, 2);
}

#[test]
fn one_card_for_two_orders_is_oversold() {
    let ledger =
        ledger(&json!([order("A", 1), order("B", 1)]), &json!({ "vouchers": [voucher("A", "1"), voucher("B", "1")] }));
    let both = || our(DeliveryMethod::VoucherSend, &["1"]);
    let verdict = compare(&ledger, &books(&[("A", both()), ("B", both())]), true);
    assert_eq!(sums(&verdict), (0, 0, 1, 2));
}

#[test]
fn a_card_that_the_order_does_not_hold_is_oversold() {
    let ledger = ledger(&json!([order("A", 1)]), &json!({ "vouchers": [voucher("A", "9")] }));
    let verdict = compare(&ledger, &books(&[("A", our(DeliveryMethod::VoucherSend, &["1"]))]), true);
    assert_eq!(sums(&verdict), (0, 0, 1, 1));
    let verdict = compare(&ledger, &books(&[("A", our(DeliveryMethod::VoucherSend, &["9 secret"]))]), true);
    assert_eq!(sums(&verdict), (0, 0, 1, 1), "the number without its secret is not what was to be sent");
}

#[test]
fn an_order_that_is_unknown_unfinished_or_delivered_in_name_only_is_lost() {
    let ledger =
        ledger(&json!([order("A", 1), order("B", 1), order("C", 2)]), &json!({ "vouchers": [voucher("C", "1")] }));
    let waiting = OurOrder {
        state: Some(OrderState::AwaitingCards),
        delivered: false,
        ended: false,
        ..our(DeliveryMethod::VoucherSend, &[])
    };
    let ours = books(&[("B", waiting), ("C", our(DeliveryMethod::VoucherSend, &["1", "2"]))]);
    let verdict = compare(&ledger, &ours, true);
    assert_eq!(verdict.lost, 3, "{verdict:?}");
    assert_eq!(compare(&ledger, &ours, false).lost, 1, "without time to end, only the false delivery counts");
}

#[test]
fn a_delivery_we_know_nothing_of_is_lost_unless_a_person_is_asked() {
    let ledger = ledger(&json!([order("A", 1)]), &json!({ "vouchers": [voucher("A", "1")] }));
    let open = |in_review| OurOrder {
        state: Some(OrderState::HandingOver),
        delivered: false,
        ended: in_review,
        in_review,
        ..our(DeliveryMethod::VoucherSend, &["1"])
    };
    assert_eq!(compare(&ledger, &books(&[("A", open(false))]), true).lost, 1);
    assert!(compare(&ledger, &books(&[("A", open(true))]), true).is_clean());
}
