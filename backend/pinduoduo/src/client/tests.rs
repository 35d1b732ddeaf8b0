//! Calls over real sockets: what is sent, and what each way of failing means.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use kamiflow_kernel::{Clock, GatewayKind, MallId, SecretText};
use serde_json::Value;

use super::{CallOptions, Client, ClientConfig};
use crate::api::mall::TimeGet;
use crate::api::order::OrderInformationGet;
use crate::api::voucher::{Voucher, VoucherInfoSend};
use crate::errors::ErrorClass;
use crate::keys::{AppKeys, MallToken};
use crate::limits::{Bucket, CallBudget, Denied, NoBudget};
use crate::prepared::PreparedCall;
use crate::sign::sign;
use support::{Platform, Reply};

mod support;

const SENT: &str = r#"{"voucher_voucher_info_send_response":{"is_success":true}}"#;
const TIME: &str = r#"{"time_get_response":{"time":"2026-11-22 10:20:30"}}"#;

#[derive(Clone, Copy)]
struct At(i64);

impl Clock for At {
    fn now(&self) -> DateTime<Utc> {
        DateTime::from_timestamp(self.0, 0).unwrap()
    }
}

const NOW: At = At(1_795_371_800);

fn keys() -> AppKeys {
    AppKeys::new("sim-client-0001", SecretText::from("sim-secret-0001-abcdef"))
}

fn token() -> MallToken {
    MallToken::new(MallId(100_000_001), SecretText::from("sim-token-0001"))
}

fn client(platform: &Platform) -> Client {
    budgeted(platform, Arc::new(NoBudget))
}

fn budgeted(platform: &Platform, budget: Arc<dyn CallBudget>) -> Client {
    let mut config = ClientConfig::new(GatewayKind::Sandbox, platform.url());
    config.total_timeout = Duration::from_millis(300);
    config.max_response_bytes = 4096;
    Client::new(config, Arc::new(NOW), budget).unwrap()
}

fn voucher() -> VoucherInfoSend {
    VoucherInfoSend {
        order_sn: "261122-100000000000017".parse().unwrap(),
        out_biz_no: "B1".to_owned(),
        vouchers: vec![Voucher { voucher_id: "V1".to_owned(), voucher_no: SecretText::from("卡号/C0001") }],
    }
}

async fn write_class(platform: &Platform) -> ErrorClass {
    let sent = client(platform).call(&keys(), Some(&token()), &voucher(), &CallOptions::default()).await;
    sent.unwrap_err().class
}

async fn read_class(platform: &Platform) -> ErrorClass {
    client(platform).call(&keys(), None, &TimeGet, &CallOptions::default()).await.unwrap_err().class
}

#[tokio::test]
async fn a_request_is_a_flat_signed_object_of_texts() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    client(&platform).call(&keys(), Some(&token()), &voucher(), &CallOptions::default()).await.unwrap();
    let request = platform.requests().pop().unwrap();
    assert!(request.head.starts_with("POST /api/router HTTP/1.1\r\n"), "{}", request.head);
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let mut params: std::collections::BTreeMap<String, String> = body
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| (key.clone(), value.as_str().unwrap().to_owned()))
        .collect();
    let signature = params.remove("sign").unwrap();
    assert_eq!(signature, sign(&params, "sim-secret-0001-abcdef"));
    let expected = [
        ("access_token", "sim-token-0001"),
        ("client_id", "sim-client-0001"),
        ("data_type", "JSON"),
        ("order_sn", "261122-100000000000017"),
        ("out_biz_no", "B1"),
        ("timestamp", "1795371800"),
        ("type", "pdd.voucher.voucher.info.send"),
        ("version", "V1"),
        ("voucher_list", r#"[{"voucher_id":"V1","voucher_no":"卡号/C0001"}]"#),
    ];
    let sent: Vec<_> = params.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_call_without_need_of_a_token_sends_none() {
    let platform = Platform::start(|_request| Reply::json(TIME)).await;
    client(&platform).call(&keys(), Some(&token()), &TimeGet, &CallOptions::default()).await.unwrap();
    let body: Value = serde_json::from_slice(&platform.requests()[0].body).unwrap();
    assert!(body.get("access_token").is_none());
}

#[tokio::test]
async fn connections_are_used_again() {
    let platform = Platform::start(|_request| Reply::json(TIME)).await;
    let client = client(&platform);
    for _ in 0..20 {
        client.call(&keys(), None, &TimeGet, &CallOptions::default()).await.unwrap();
    }
    assert_eq!((platform.requests().len(), platform.connections()), (20, 1));
}

#[tokio::test]
async fn every_break_after_the_request_left_leaves_a_write_open() {
    let faults = [
        Reply::raw("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 26\r\n\r\n<html>502 Bad Gateway</html"),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"voucher_voucher_info_send_resp"),
        Reply::raw("HTTP/1.1 200 OK\r\ncontent-le"),
        Reply::raw("garbage\r\n\r\n"),
        Reply::raw("HTTP/1.1 307 Temporary Redirect\r\nlocation: /elsewhere\r\ncontent-length: 0\r\n\r\n"),
        Reply::json(&format!("{{\"padding\":\"{}\"}}", "x".repeat(5000))),
        Reply::json("not json"),
        Reply::Drop,
        Reply::Hang,
    ];
    for fault in faults {
        let shown = format!("{fault:?}");
        let platform = Platform::start(move |_request| fault.clone()).await;
        assert_eq!(write_class(&platform).await, ErrorClass::OutcomeUnknown, "{shown}");
        assert!(matches!(read_class(&platform).await, ErrorClass::RetryLater { .. }), "{shown}");
        assert_eq!(platform.requests().len(), 2, "a call is one request at most: {shown}");
    }
}

#[tokio::test]
async fn a_platform_that_cannot_be_reached_was_certainly_not_called() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    let unreachable = platform.stop().await;
    let config = ClientConfig::new(GatewayKind::Sandbox, unreachable);
    let client = Client::new(config, Arc::new(NOW), Arc::new(NoBudget)).unwrap();
    let error = client.call(&keys(), Some(&token()), &voucher(), &CallOptions::default()).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::NotSent { .. }), "{error}");
    assert!(error.class.is_certainly_without_effect());
}

#[tokio::test]
async fn a_call_does_not_start_after_its_deadline() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    let late = CallOptions::not_after(NOW.now() - TimeDelta::milliseconds(1));
    let error = client(&platform).call(&keys(), Some(&token()), &voucher(), &late).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::NotSent { .. }), "{error}");
    let in_time = CallOptions::not_after(NOW.now());
    client(&platform).call(&keys(), Some(&token()), &voucher(), &in_time).await.unwrap();
    assert_eq!(platform.requests().len(), 1);
}

/// A clock that stands 10 s later once a turn was granted.
#[derive(Clone, Default)]
struct Waited(Arc<AtomicUsize>);

impl Clock for Waited {
    fn now(&self) -> DateTime<Utc> {
        let seconds = if self.0.load(Ordering::SeqCst) > 0 { 10 } else { 0 };
        NOW.now() + TimeDelta::seconds(seconds)
    }
}

impl CallBudget for Waited {
    fn acquire<'a>(&'a self, _buckets: &'a [Bucket], max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        assert!(max_wait <= Duration::from_secs(2), "longer than the deadline allows: {max_wait:?}");
        self.0.fetch_add(1, Ordering::SeqCst);
        Box::pin(std::future::ready(Ok(())))
    }
}

#[tokio::test]
async fn a_deadline_that_passes_while_waiting_for_a_turn_counts() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    let waited = Waited::default();
    let config = ClientConfig::new(GatewayKind::Sandbox, platform.url());
    let client = Client::new(config, Arc::new(waited.clone()), Arc::new(waited)).unwrap();
    let options = CallOptions { not_after: Some(NOW.now() + TimeDelta::seconds(2)), max_wait: Duration::from_secs(60) };
    let error = client.call(&keys(), Some(&token()), &voucher(), &options).await.unwrap_err();
    assert!(matches!(error.class, ErrorClass::NotSent { .. }), "{error}");
    assert_eq!(platform.requests().len(), 0);
}

struct Broke;

impl CallBudget for Broke {
    fn acquire<'a>(&'a self, buckets: &'a [Bucket], _max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        assert_eq!(buckets[0].key, "sandbox:mall:100000001:sim-client-0001:pdd.order.information.get");
        Box::pin(std::future::ready(Err(Denied { retry_after: Duration::from_secs(7) })))
    }
}

#[tokio::test]
async fn a_call_without_budget_is_not_sent_and_says_when() {
    let platform = Platform::start(|_request| Reply::json("{}")).await;
    let request = OrderInformationGet { order_sn: "261122-100000000000017".parse().unwrap() };
    let client = budgeted(&platform, Arc::new(Broke));
    let error = client.call(&keys(), Some(&token()), &request, &CallOptions::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::NotSent { after: Duration::from_secs(7) });
    assert_eq!(platform.requests().len(), 0);
}

#[tokio::test]
async fn a_call_that_needs_a_token_is_not_made_without() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    let client = client(&platform);
    let empty = MallToken::new(MallId(1), SecretText::from(""));
    for token in [None, Some(&empty)] {
        let error = client.call(&keys(), token, &voucher(), &CallOptions::default()).await.unwrap_err();
        assert_eq!(error.class, ErrorClass::Reauthorize);
    }
    assert_eq!(platform.requests().len(), 0);
}

#[tokio::test]
async fn a_stored_call_is_sent_again_with_the_same_business_bytes() {
    let platform = Platform::start(|_request| Reply::json(SENT)).await;
    let client = client(&platform);
    let prepared = PreparedCall::new(&voucher()).unwrap();
    client.send_prepared(&keys(), Some(&token()), &prepared, &CallOptions::default()).await.unwrap();
    let stored = prepared.business_params().expose().to_owned();
    let again = PreparedCall::from_stored(prepared.api(), SecretText::new(stored)).unwrap();
    let newer = MallToken::new(MallId(100_000_001), SecretText::from("sim-token-0002"));
    client.send_prepared(&keys(), Some(&newer), &again, &CallOptions::default()).await.unwrap();
    client.call(&keys(), Some(&token()), &voucher(), &CallOptions::default()).await.unwrap();
    let business: Vec<Value> = platform
        .requests()
        .iter()
        .map(|request| {
            let mut body: Value = serde_json::from_slice(&request.body).unwrap();
            let fields = body.as_object_mut().unwrap();
            for common in ["access_token", "client_id", "data_type", "sign", "timestamp", "type", "version"] {
                assert!(fields.remove(common).is_some(), "{common}");
            }
            body
        })
        .collect();
    assert_eq!(business[0], business[1]);
    assert_eq!(business[0], business[2]);
    assert_eq!(again.business_params().expose(), prepared.business_params().expose());
}

#[tokio::test]
async fn a_stored_call_that_is_refused_says_so() {
    let refused = r#"{"voucher_voucher_info_send_response":{"is_success":false}}"#;
    let platform = Platform::start(move |_request| Reply::json(refused)).await;
    let prepared = PreparedCall::new(&voucher()).unwrap();
    let error =
        client(&platform).send_prepared(&keys(), Some(&token()), &prepared, &CallOptions::default()).await.unwrap_err();
    assert_eq!(error.class, ErrorClass::Rejected);
}

#[test]
fn a_stored_call_that_is_none_is_refused_without_showing_it() {
    let stored = |api: &str, params: &str| PreparedCall::from_stored(api, SecretText::from(params)).unwrap_err();
    assert!(stored("pdd.no.such.api", "{}").to_string().contains("pdd.no.such.api"));
    for params in ["", "[]", r#"{"voucher_list":["C0001"]}"#, "C0001"] {
        let error = stored("pdd.voucher.voucher.info.send", params);
        assert!(!format!("{error} {error:?}").contains("C0001"), "{error:?}");
    }
}

#[tokio::test]
async fn nothing_that_can_be_printed_shows_a_secret() {
    let refusing = r#"{"error_response":{"error_code":10019,"error_msg":"access_token已过期"}}"#;
    let platform = Platform::start(move |_request| Reply::json(refusing)).await;
    let client = client(&platform);
    let error = client.call(&keys(), Some(&token()), &voucher(), &CallOptions::default()).await.unwrap_err();
    let prepared = PreparedCall::new(&voucher()).unwrap();
    let shown = format!("{client:?} {:?} {:?} {:?} {prepared:?} {error:?} {error}", keys(), token(), voucher());
    for secret in ["sim-secret-0001-abcdef", "sim-token-0001", "C0001"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
    assert!(shown.contains("sim-client-0001"));
}
