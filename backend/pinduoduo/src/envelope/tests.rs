//! Answers of every kind, read as the platform wrote them.

use super::read;
use crate::api::mall::{MallInfoGet, TimeGet};
use crate::api::order::{OrderInformationGet, OrderListGet, OrderNoteUpdate};
use crate::api::refund::{RefundAgree, RefundInformationGet};
use crate::api::token::TokenRefresh;
use crate::api::voucher::{CardBatchAdd, OtaVerification, RealtimeVerifySync, VoucherInfoSend};
use crate::api::{Api, catalog};
use crate::client::Answer;
use crate::errors::{CallError, ErrorClass};

fn answer<A: Api>(status: u16, body: &str) -> Result<A::Response, CallError> {
    read::<A>(Answer { status, body: body.as_bytes().to_vec() })
}

fn class<A: Api>(status: u16, body: &str) -> &'static str {
    answer::<A>(status, body).map_or_else(|error| error.class.as_str(), |_response| "ok")
}

#[test]
fn the_recorded_errors_are_read() {
    let body = r#"{"error_response":{"error_msg":"签名验证失败","sub_msg":"签名验证失败","sub_code":"20004","error_code":20004,"request_id":"17043503757231146"}}"#;
    let error = answer::<OrderListGet>(200, body).unwrap_err();
    assert_eq!(error.class, ErrorClass::StopApplication);
    assert_eq!((error.code, error.sub_code.as_deref()), (Some(20004), Some("20004")));
    assert_eq!(error.request_id.as_deref(), Some("17043503757231146"));
    assert_eq!(&*error.message, "签名验证失败");

    let body = r#"{"error_response":{"error_msg":"时间跨度不能超过24小时","sub_msg":"时间跨度不能超过24小时","sub_code":null,"error_code":50001}}"#;
    assert_eq!(class::<OrderListGet>(200, body), "rejected");
    let body = r#"{"error_response":{"error_msg":"参数错误:p_id_name_list","sub_msg":"参数错误:p_id_name_list","sub_code":"10000","error_code":10000}}"#;
    assert_eq!(class::<OrderListGet>(200, body), "rejected");
    let body = r#"{"error_response":{"error_msg":"业务服务错误","sub_msg":"订单不属于当前店铺或订单不存在","sub_code":"45001","error_code":50001}}"#;
    let error = answer::<OrderInformationGet>(200, body).unwrap_err();
    assert!(error.is_unknown_order());
    assert_eq!(&*error.message, "业务服务错误: 订单不属于当前店铺或订单不存在");
}

#[test]
fn an_error_envelope_counts_under_any_status() {
    let body = r#"{"error_response":{"error_msg":"当前接口被限流，请稍后重试","error_code":52101}}"#;
    assert_eq!(class::<VoucherInfoSend>(429, body), "retry_later");
    assert_eq!(class::<VoucherInfoSend>(500, body), "retry_later");
}

#[test]
fn what_cannot_be_read_leaves_a_write_open_and_a_read_to_repeat() {
    for (status, body) in [
        (502, "<html><body>502 Bad Gateway</body></html>"),
        (200, ""),
        (200, r#"{"voucher_voucher_info_send_response":{"is_succ"#),
        (200, r#"{"some_other_response":{"is_success":true}}"#),
        (200, r#"{"voucher_voucher_info_send_response":[]}"#),
        (200, r#"{"voucher_voucher_info_send_response":{}}"#),
        (200, r#"{"error_response":{"error_msg":"no code"}}"#),
        (200, r#"{"error_response":null}"#),
        (200, "[1,2]"),
        (503, r#"{"voucher_voucher_info_send_response":{"is_success":true}}"#),
        (302, "{}"),
    ] {
        assert_eq!(class::<VoucherInfoSend>(status, body), "outcome_unknown", "{status} {body}");
        assert_eq!(class::<TimeGet>(status, body), "retry_later", "{status} {body}");
    }
    let not_utf8 = Answer { status: 200, body: vec![b'{', 0xff, b'}'] };
    assert_eq!(read::<VoucherInfoSend>(not_utf8).unwrap_err().class, ErrorClass::OutcomeUnknown);
}

#[test]
fn results_inside_the_payload_are_heeded() {
    let sent = |body| class::<VoucherInfoSend>(200, body);
    assert_eq!(sent(r#"{"voucher_voucher_info_send_response":{"is_success":true}}"#), "ok");
    assert_eq!(sent(r#"{"voucher_voucher_info_send_response":{"is_success":false}}"#), "rejected");
    assert_eq!(sent(r#"{"voucher_voucher_info_send_response":{"is_success":null}}"#), "outcome_unknown");

    let ota = |code: i64| {
        let body = format!(
            r#"{{"voucher_ota_card_verification_response":{{"success":false,"errorCode":{code},"errorMsg":"x","result":null}}}}"#
        );
        class::<OtaVerification>(200, &body)
    };
    assert_eq!(ota(60010), "already_done");
    assert_eq!(ota(1_000_010), "retry_later");
    assert_eq!(ota(100_006), "rejected");

    let agree = |body| class::<RefundAgree>(200, body);
    assert_eq!(agree(r#"{"response":{"result":{"order_sn":"1-2","succ":true}}}"#), "ok");
    assert_eq!(agree(r#"{"response":{"result":{"succ":false,"message":"已处理"}}}"#), "rejected");
    assert_eq!(agree(r#"{"response":{}}"#), "outcome_unknown");

    let note = r#"{"response":{"success":false,"error_code":7,"error_msg":"备注过长"}}"#;
    assert_eq!(&*answer::<OrderNoteUpdate>(200, note).unwrap_err().message, "备注过长");

    let import = |body| class::<CardBatchAdd>(200, body);
    assert_eq!(import(r#"{"response":{"code":0,"message":"","result":{"batchId":7001,"totalNum":1}}}"#), "ok");
    assert_eq!(import(r#"{"response":{"code":200,"message":"ok","result":{"batchId":"7001"}}}"#), "ok");
    assert_eq!(import(r#"{"response":{"code":4001,"message":"商品不存在","result":null}}"#), "rejected");
    assert_eq!(import(r#"{"response":{"code":0,"message":"","result":null}}"#), "outcome_unknown");
}

#[test]
fn answers_without_wrapper_are_read_at_the_top_level() {
    let refund = answer::<RefundInformationGet>(
        200,
        r#"{"id":600001,"order_sn":"261122-100000000000017","after_sales_status":2,"refund_amount":990,"expire_time":1795489200000,"request_id":"1"}"#,
    )
    .unwrap();
    assert_eq!((refund.id, refund.after_sales_status), (Some(600_001), Some(2)));
    assert_eq!(refund.refund_amount, Some(kamiflow_kernel::Fen(990)));
    assert_eq!(class::<RefundInformationGet>(200, "{}"), "retry_later");

    assert_eq!(class::<RealtimeVerifySync>(200, r#"{"code":0,"message":""}"#), "ok");
    assert_eq!(class::<RealtimeVerifySync>(200, r#"{"code":9,"message":"重复核销"}"#), "rejected");
    assert_eq!(class::<RealtimeVerifySync>(200, "{}"), "outcome_unknown");
}

#[test]
fn tokens_are_read_and_never_shown() {
    let body = r#"{"pop_auth_token_refresh_response":{"access_token":"a1b2c3","refresh_token":"d4e5f6","expires_in":86399,"expires_at":1795458199,"owner_id":"100000001","owner_name":"pdd10000000101","scope":["pdd.order.list.get"],"w2_expires_at":1795458199}}"#;
    let grant = answer::<TokenRefresh>(200, body).unwrap();
    assert_eq!(grant.mall, Some(kamiflow_kernel::MallId(100_000_001)));
    assert_eq!(grant.expires_at.unwrap().timestamp(), 1_795_458_199);
    assert_eq!(grant.access_token.as_ref().unwrap().expose(), "a1b2c3");
    let shown = format!("{grant:?}");
    assert!(!shown.contains("a1b2c3") && !shown.contains("d4e5f6"), "{shown}");
    assert_eq!(class::<TokenRefresh>(200, r#"{"pop_auth_token_refresh_response":{}}"#), "outcome_unknown");
}

#[test]
fn the_documented_examples_of_mall_and_time_are_read() {
    let body = r#"{"mall_info_get_response":{"mall_id":100000001,"mall_name":"示例店铺","mall_desc":"","logo":"https://img.example/l.png","merchant_type":2,"mall_character":2}}"#;
    let mall = answer::<MallInfoGet>(200, body).unwrap();
    assert_eq!((mall.mall_name.as_deref(), mall.merchant_type), (Some("示例店铺"), Some(2)));
    let now = answer::<TimeGet>(200, r#"{"time_get_response":{"time":"2026-11-22 10:20:30"}}"#).unwrap();
    assert_eq!(now.time.unwrap().to_rfc3339(), "2026-11-22T02:20:30+00:00");
}

#[test]
fn no_answer_makes_any_api_panic() {
    let bodies = ["", "null", "{}", "[]", "1", r#"{"response":null}"#, r#"{"error_response":{"error_code":"x"}}"#];
    for entry in catalog::ALL {
        for body in bodies {
            for status in [200, 502] {
                let judged = (entry.judge)(Answer { status, body: body.as_bytes().to_vec() });
                assert!(judged.is_err(), "{} took {body} for success", entry.meta.name);
            }
        }
    }
}
