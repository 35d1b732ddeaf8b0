//! Every code of the protocol, read and write.

use std::time::Duration;

use super::table::{CardRefusal, TABLE};
use super::{CallError, ErrorClass, Failure};
use crate::api::ApiMeta;

const READ: ApiMeta = ApiMeta::read("pdd.order.list.get", "order_list_get_response");
const WRITE: ApiMeta = ApiMeta::write("pdd.voucher.voucher.info.send", "voucher_voucher_info_send_response");
const OTA: ApiMeta = ApiMeta::write("pdd.voucher.ota.card.verification", "voucher_ota_card_verification_response");

fn failure(meta: &ApiMeta, code: i64, sub_code: Option<&str>, message: &str) -> CallError {
    let failure =
        Failure { code, sub_code: sub_code.map(str::to_owned), message: message.to_owned(), request_id: None };
    failure.classify(meta)
}

/// Code, class of a read, class of a write.
const EXPECTED: &[(i64, &str, &str)] = &[
    (10000, "rejected", "rejected"),
    (10001, "stop_application", "stop_application"),
    (10010, "stop_application", "stop_application"),
    (10016, "stop_application", "stop_application"),
    (10017, "stop_api", "stop_api"),
    (10018, "stop_application", "stop_application"),
    (10019, "reauthorize", "reauthorize"),
    (20000, "reauthorize", "reauthorize"),
    (20004, "stop_application", "stop_application"),
    (20005, "stop_application", "stop_application"),
    (20031, "stop_api", "stop_api"),
    (20032, "reauthorize", "reauthorize"),
    (20034, "stop_api", "stop_api"),
    (20035, "stop_api", "stop_api"),
    (21001, "rejected", "rejected"),
    (21002, "rejected", "rejected"),
    (30000, "stop_api", "stop_api"),
    (30001, "stop_application", "stop_application"),
    (50000, "retry_later", "outcome_unknown"),
    (50001, "rejected", "rejected"),
    (50002, "retry_later", "outcome_unknown"),
    (52001, "retry_later", "outcome_unknown"),
    (52002, "retry_later", "outcome_unknown"),
    (52004, "rejected", "rejected"),
    (52101, "retry_later", "retry_later"),
    (52102, "retry_later", "retry_later"),
    (52103, "retry_later", "retry_later"),
    (70031, "retry_later", "retry_later"),
    (70032, "stop_api", "stop_api"),
    (70033, "retry_later", "retry_later"),
    (70034, "stop_mall", "stop_mall"),
    (70035, "stop_mall", "stop_mall"),
    (70036, "stop_application", "stop_application"),
];

/// Sub code of the OTA verification, class, reason.
const OTA_EXPECTED: &[(&str, &str, Option<CardRefusal>)] = &[
    ("100001", "rejected", Some(CardRefusal::WrongKind)),
    ("1000010", "retry_later", None),
    ("1000012", "rejected", Some(CardRefusal::Expired)),
    ("100002", "rejected", Some(CardRefusal::WrongMall)),
    ("100004", "rejected", Some(CardRefusal::AfterSale)),
    ("100005", "retry_later", None),
    ("100006", "rejected", Some(CardRefusal::WrongCode)),
    ("100007", "rejected", Some(CardRefusal::WrongStore)),
    ("60004", "rejected", Some(CardRefusal::Gone)),
    ("60005", "rejected", Some(CardRefusal::Expired)),
    ("60006", "rejected", Some(CardRefusal::Gone)),
    ("60008", "rejected", Some(CardRefusal::OrderState)),
    ("60009", "rejected", Some(CardRefusal::Gone)),
    ("60010", "already_done", None),
    ("60011", "rejected", Some(CardRefusal::AfterSale)),
    ("60012", "rejected", Some(CardRefusal::AfterSale)),
];

#[test]
fn every_code_of_the_protocol_has_its_class() {
    for (code, read, write) in EXPECTED {
        // Newer answers repeat the main code as sub code, older ones leave it out.
        for sub_code in [None, Some(code.to_string())] {
            let class = |meta| failure(meta, *code, sub_code.as_deref(), "业务文本").class;
            assert_eq!(class(&READ).as_str(), *read, "read {code}");
            assert_eq!(class(&WRITE).as_str(), *write, "write {code}");
        }
    }
}

#[test]
fn every_sub_code_of_the_ota_redemption_has_its_class_and_reason() {
    for (sub_code, class, refusal) in OTA_EXPECTED {
        let error = failure(&OTA, 50001, Some(sub_code), "业务文本");
        assert_eq!(error.class.as_str(), *class, "{sub_code}");
        assert_eq!(error.rule().and_then(|rule| rule.refusal), *refusal, "{sub_code}");
        // The same number from an API that does not document it is just a refusal.
        assert_eq!(failure(&WRITE, 50001, Some(sub_code), "业务文本").class, ErrorClass::Rejected, "{sub_code}");
    }
}

#[test]
fn the_table_has_no_row_beyond_the_protocol_and_none_twice() {
    for (index, rule) in TABLE.iter().enumerate() {
        let known = match rule.sub_code {
            None => EXPECTED.iter().any(|(code, ..)| *code == rule.code),
            Some("45001") => true,
            Some(sub_code) => OTA_EXPECTED.iter().any(|(expected, ..)| *expected == sub_code),
        };
        assert!(known, "{rule:?}");
        let twin =
            TABLE.iter().skip(index + 1).find(|other| other.code == rule.code && other.sub_code == rule.sub_code);
        assert!(twin.is_none(), "{rule:?}");
    }
}

#[test]
fn an_unknown_or_foreign_order_is_recognized() {
    let error = failure(&READ, 50001, Some("45001"), "订单不属于当前店铺或订单不存在");
    assert!(error.is_unknown_order());
    assert_eq!(error.class, ErrorClass::Rejected);
}

#[test]
fn an_uncoded_business_answer_about_a_fault_leaves_a_write_open() {
    assert_eq!(failure(&WRITE, 50001, Some("60001"), "系统异常").class, ErrorClass::OutcomeUnknown);
    assert_eq!(failure(&WRITE, 50001, None, "服务调用超时").class, ErrorClass::OutcomeUnknown);
    assert!(matches!(failure(&READ, 50001, None, "系统繁忙").class, ErrorClass::RetryLater { .. }));
    assert_eq!(failure(&WRITE, 50001, Some("60001"), "订单已发货").class, ErrorClass::Rejected);
}

#[test]
fn an_unknown_code_means_the_least_that_is_safe() {
    assert_eq!(failure(&WRITE, 99999, None, "?").class, ErrorClass::OutcomeUnknown);
    assert!(matches!(failure(&READ, 99999, None, "?").class, ErrorClass::RetryLater { .. }));
    assert_eq!(failure(&WRITE, 12345, None, "?").class, ErrorClass::Rejected);
}

#[test]
fn messages_are_one_short_line_and_delays_are_advised() {
    let error = failure(&READ, 70031, None, &format!("a\nb\u{1b}[31m{}", "长".repeat(500)));
    assert!(error.message.starts_with("ab[31m长"));
    assert_eq!(error.message.chars().count(), 200);
    assert_eq!(error.advised_delay(), Some(Duration::from_secs(10)));
    assert_eq!(failure(&READ, 10019, None, "").advised_delay(), None);
}

#[test]
fn a_wrong_clock_is_waited_for_and_stops_nothing() {
    use super::table::{Verdict, verdict};
    let of = |message| verdict("pdd.time.get", 10_001, None, message);
    assert!(matches!(of("公共参数错误:timestamp"), Verdict::RetryLater(_)));
    assert!(matches!(of("公共参数错误:client_id"), Verdict::StopApplication));
    assert!(matches!(of("公共参数错误:access_token"), Verdict::Reauthorize));
}
