//! Answers of the gateway: what is not a whole, readable success is a classified failure, and never a success.

use std::collections::HashMap;

use kamiflow_pinduoduo::api::charge::ChargeNotify;
use kamiflow_pinduoduo::api::goods::GoodsDetailGet;
use kamiflow_pinduoduo::api::mall::{MallInfoGet, TimeGet};
use kamiflow_pinduoduo::api::order::{OrderIncrementGet, OrderInformationGet, OrderListGet};
use kamiflow_pinduoduo::api::refund::RefundInformationGet;
use kamiflow_pinduoduo::api::token::TokenRefresh;
use kamiflow_pinduoduo::api::voucher::{CardBatchAdd, OtaVerification, RealtimeVerifySync, VoucherInfoSend};
use kamiflow_pinduoduo::{Api, CallError, ErrorClass, decode};
use serde::de::IgnoredAny;

use crate::bytes::Bytes;

const STATUSES: &[u16] = &[200, 200, 200, 201, 204, 301, 302, 400, 401, 403, 404, 413, 429, 500, 502, 503, 504, 599];
/// All that is said about an answer that cannot be read: nothing of the answer itself.
const SENTENCES: &[&str] = &[
    "the answer is not UTF-8",
    "the answer is not a JSON object",
    "the error answer cannot be read",
    "the status is not a success",
    "the answer has another key",
    "the answer has another shape at column ",
    "the answer does not say whether it succeeded",
];
const LONGEST_MESSAGE: usize = 200;

type Check = fn(u16, &[u8]);

/// Calls that read, calls that write, with and without a success flag of their own, and one outside of any key.
pub const APIS: &[Check] = &[
    check::<OrderListGet>,
    check::<OrderIncrementGet>,
    check::<OrderInformationGet>,
    check::<RefundInformationGet>,
    check::<MallInfoGet>,
    check::<TimeGet>,
    check::<GoodsDetailGet>,
    check::<TokenRefresh>,
    check::<VoucherInfoSend>,
    check::<CardBatchAdd>,
    check::<OtaVerification>,
    check::<RealtimeVerifySync>,
    check::<ChargeNotify>,
];

/// Reads an answer whose first two bytes choose the API and the status.
pub fn run(input: &[u8]) {
    let mut choices = Bytes::new(input);
    let check = choices.one_of(APIS);
    let status = choices.one_of(STATUSES);
    check(status, choices.rest());
}

fn read<A: Api>(status: u16, body: &[u8]) -> Result<(), CallError> {
    decode::answer::<A>(status, body.to_vec()).map(drop)
}

fn check<A: Api>(status: u16, body: &[u8]) {
    let outcome = read::<A>(status, body);
    assert_eq!(outcome, read::<A>(status, body), "the same answer means the same");
    let fields: Option<HashMap<String, IgnoredAny>> = serde_json::from_slice(body).ok();
    let failed = fields.as_ref().is_some_and(|fields| fields.contains_key("error_response"));
    match &outcome {
        Ok(()) => {
            let fields = fields.expect("a success is a JSON object");
            assert!(!failed && (200..300).contains(&status), "a success with HTTP {status}, error: {failed}");
            assert!(A::META.response_key.is_none_or(|key| fields.contains_key(key)), "a success has the API's key");
            never_by_halves::<A>(body);
            assert!(read::<A>(502, body).is_err(), "the same under a failing status is none");
        }
        Err(error) => {
            is_told::<A>(error, status);
            if fields.is_none() || !failed && !(200..300).contains(&status) {
                is_uncertain::<A>(error);
            }
        }
    }
}

/// A success that was cut off anywhere is no success, and for a write no certainty either.
fn never_by_halves<A: Api>(body: &[u8]) {
    let whole = body.trim_ascii_end();
    let step = whole.len() / 64 + 1;
    for end in (0..whole.len()).step_by(step) {
        let cut = whole.get(..end).expect("it is shorter");
        is_uncertain::<A>(&read::<A>(200, cut).expect_err("half an answer was taken for a success"));
    }
}

fn is_uncertain<A: Api>(error: &CallError) {
    let expected = if A::META.writes {
        matches!(error.class, ErrorClass::OutcomeUnknown)
    } else {
        matches!(error.class, ErrorClass::RetryLater { .. })
    };
    assert!(expected, "{error}");
    let told = error.message.split_once(": ").expect("it names the status").1;
    // Where an answer stops to make sense is a number, and the only thing that is said about what is in it.
    let digits = told.rsplit(' ').next().filter(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    let told = digits.and_then(|digits| told.strip_suffix(digits)).unwrap_or(told);
    assert!(SENTENCES.contains(&told), "it quotes the answer: {told:?}");
}

fn is_told<A: Api>(error: &CallError, status: u16) {
    assert_eq!(error.api, A::META.name);
    assert!(!matches!(error.class, ErrorClass::NotSent { .. }), "an answer came, so the call was sent: {error}");
    for text in [Some(&error.message), error.sub_code.as_ref(), error.request_id.as_ref()].into_iter().flatten() {
        assert!(text.chars().count() <= LONGEST_MESSAGE && !text.chars().any(char::is_control), "{text:?}");
    }
    if error.code.is_none() {
        assert!(error.message.starts_with(&format!("HTTP {status}: ")), "{error}");
    }
}
