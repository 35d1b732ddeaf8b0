//! What the port's words become on the wire, and what answers become in the port's words.

use kamiflow_domain::marketplace::{ErrorClass, HandOver, PageRequest, Voucher};
use kamiflow_kernel::{OrderSn, SecretText};

use super::{errors, hand_over, orders};
use crate::api::{Api, order, refund};
use crate::errors::{CallError, ErrorClass as CallClass};

const COUNTED: PageRequest = PageRequest { number: 1, size: 2, with_total: true };
const CHEAP: PageRequest = PageRequest { number: 1, size: 2, with_total: false };

fn order_sn() -> OrderSn {
    "261122-100000000000017".parse().unwrap()
}

fn page(text: &str) -> order::OrderPage {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_hand_over_has_one_text_and_only_known_calls_are_sent() {
    let vouchers = HandOver::Vouchers {
        order_sn: order_sn(),
        out_biz_no: "biz-1".to_owned(),
        vouchers: vec![Voucher { id: "use-1".to_owned(), number: SecretText::from("C0001") }],
    };
    let (first, second) = (hand_over::prepare(&vouchers), hand_over::prepare(&vouchers.clone()));
    assert_eq!(first, second);
    assert_eq!(first.api, "pdd.voucher.voucher.info.send");
    assert_eq!(
        first.body.expose(),
        r#"{"order_sn":"261122-100000000000017","out_biz_no":"biz-1","voucher_list":"[{\"voucher_id\":\"use-1\",\"voucher_no\":\"C0001\"}]"}"#
    );
    assert_eq!(hand_over::stored(&first).unwrap().business_params(), &first.body);

    let charge = HandOver::ChargeSucceeded { order_sn: order_sn(), outer_order_sn: "o-1".to_owned() };
    assert_eq!(
        hand_over::prepare(&charge).body.expose(),
        r#"{"order_sn":"261122-100000000000017","outer_order_sn":"o-1","status":"SUCCESS"}"#
    );
    let shipped =
        HandOver::DeclareShipped { order_sn: order_sn(), logistics_id: 999, tracking_number: "virtual".to_owned() };
    assert_eq!(hand_over::prepare(&shipped).api, "pdd.logistics.online.send");

    let mut odd = first.clone();
    odd.body = SecretText::from("");
    assert_eq!(hand_over::stored(&odd).unwrap_err().class, ErrorClass::Rejected);
    odd.api = "pdd.order.goods.send".to_owned();
    assert_eq!(hand_over::stored(&odd).unwrap_err().class, ErrorClass::Rejected);
}

#[test]
fn an_order_without_its_states_is_read_but_no_rule_can_accept_it() {
    let read = orders::order_page(
        page(r#"{"total_count":"1","order_sn_list":[{"order_sn":"261122-100000000000017","updated_at":"2026-11-22 10:00:00"}]}"#),
        COUNTED,
    )
    .unwrap();
    assert_eq!(read.total, Some(1));
    let order = &read.orders[0];
    assert_eq!([order.order_status, order.refund_status, order.confirm_status, order.trade_type], [-1; 4]);
    assert_eq!(order.step_trade_status, None);
}

#[test]
fn an_unreadable_order_counts_and_keeps_its_number() {
    let read = orders::order_page(
        page(
            r#"{"has_next":false,"order_sn_list":[
                {"order_sn":"261122-100000000000017"},
                {"order_sn":"261122-100000000000018","updated_at":"tomorrow"},
                {"order_sn":"261122-100000000000019","updated_at":"2026-11-22 10:00:00","item_list":[{"goods_id":1}]}]}"#,
        ),
        CHEAP,
    )
    .unwrap();
    assert!(read.orders.is_empty());
    let mut numbers: Vec<_> = read.unreadable.iter().map(|sn| sn.as_ref().unwrap().as_str()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, ["261122-100000000000017", "261122-100000000000018", "261122-100000000000019"]);
}

#[test]
fn an_answer_that_hides_the_rest_of_the_list_is_not_taken_for_its_end() {
    let listed = r#"{"order_sn":"261122-100000000000017","updated_at":"2026-11-22 10:00:00"}"#;
    let full = format!(r#"{{"order_sn_list":[{listed},{listed}]}}"#);
    assert!(orders::order_page(page(&full), CHEAP).unwrap().has_next);
    assert!(!orders::order_page(page(&format!(r#"{{"order_sn_list":[{listed}]}}"#)), CHEAP).unwrap().has_next);
    assert_eq!(orders::order_page(page(&full), COUNTED).unwrap_err().class, ErrorClass::RetryLater);
    let refunds: refund::RefundPage = serde_json::from_str(r#"{"refund_list":[]}"#).unwrap();
    assert_eq!(orders::refund_page(refunds).unwrap_err().class, ErrorClass::RetryLater);
}

#[test]
fn an_unknown_order_has_a_class_of_its_own_unless_the_outcome_is_open() {
    let failed = |class| {
        errors::market_error(CallError {
            api: order::OrderInformationGet::META.name,
            class,
            code: Some(50001),
            sub_code: Some("45001".into()),
            message: "unknown".into(),
            request_id: None,
        })
    };
    let rejected = failed(CallClass::Rejected);
    assert_eq!((rejected.class, rejected.code, rejected.sub_code.as_str()), (ErrorClass::NotFound, 50001, "45001"));
    assert_eq!(failed(CallClass::OutcomeUnknown).class, ErrorClass::OutcomeUnknown);
}
