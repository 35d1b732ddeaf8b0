//! Each kind of fault, as a client meets it.

use serde_json::{Value, json};

use super::support::{Platform, VOUCHER_SKU, scenario, soon};

async fn inject(platform: &Platform, rule: Value) {
    platform.control("POST", "/faults", rule).await;
}

async fn vouchers(platform: &Platform, sn: &str) -> usize {
    platform.ledger(sn).await["vouchers"].as_array().unwrap().len()
}

fn send(sn: &str) -> Value {
    let list = json!([{"voucher_id": "V", "voucher_no": "C"}]).to_string();
    json!({"order_sn": sn, "out_biz_no": "B", "voucher_list": list})
}

const SEND: &str = "pdd.voucher.voucher.info.send";

#[tokio::test]
async fn codes_strike_before_or_after_the_effect() {
    let platform = Platform::start(scenario());
    for code in [70031, 52101, 50000, 52002] {
        inject(&platform, json!({"kind": "code", "code": code, "remaining": 1})).await;
        assert_eq!(platform.error("pdd.time.get", json!({})).await, (code, code.to_string()));
    }
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    inject(
        &platform,
        json!({"api": SEND, "kind": "code", "code": 50001, "sub_code": "60001", "message": "自定", "remaining": 1}),
    )
    .await;
    assert_eq!(platform.error(SEND, send(&sn)).await, (50001, "60001".to_owned()));
    assert_eq!(vouchers(&platform, &sn).await, 0);
    inject(&platform, json!({"api": SEND, "kind": "code", "code": 50000, "after_effect": true, "remaining": 1})).await;
    assert_eq!(platform.error(SEND, send(&sn)).await.0, 50000);
    assert_eq!(vouchers(&platform, &sn).await, 1);
}

#[tokio::test]
async fn a_bad_gateway_answers_html() {
    let platform = Platform::start(scenario());
    inject(&platform, json!({"kind": "http_502_html"})).await;
    let reply = platform.try_call("pdd.time.get", json!({})).await.unwrap();
    assert_eq!(reply.status, 502);
    assert!(reply.text().contains("<center>nginx</center>"));
    platform.control("DELETE", "/faults", Value::Null).await;
    platform.call("pdd.time.get", json!({})).await;
}

#[tokio::test]
async fn time_outs_differ_in_their_effect_only() {
    let platform = Platform::start(scenario());
    for (kind, effects) in [("timeout_before_effect", 0), ("timeout_after_effect", 1)] {
        let sn = platform.order(VOUCHER_SKU, json!({})).await;
        inject(&platform, json!({"api": SEND, "kind": kind, "ms": 50, "remaining": 1})).await;
        assert!(soon(platform.try_call(SEND, send(&sn))).await.is_none(), "{kind}");
        assert_eq!(vouchers(&platform, &sn).await, effects, "{kind}");
    }
}

#[tokio::test]
async fn a_truncated_body_promises_more_than_it_brings() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    inject(&platform, json!({"api": SEND, "kind": "truncated_body"})).await;
    let reply = platform.try_call(SEND, send(&sn)).await.unwrap();
    let promised: usize = reply.headers["content-length"].parse().unwrap();
    assert_eq!(reply.body.len(), promised / 2);
    assert!(serde_json::from_slice::<Value>(&reply.body).is_err());
    assert_eq!(vouchers(&platform, &sn).await, 1);
}

#[tokio::test]
async fn a_dropped_connection_brings_nothing() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    inject(&platform, json!({"api": SEND, "kind": "drop_connection", "remaining": 1})).await;
    assert!(platform.try_call(SEND, send(&sn)).await.is_none());
    assert_eq!(vouchers(&platform, &sn).await, 0);
    inject(&platform, json!({"api": SEND, "kind": "drop_connection", "after_effect": true, "remaining": 1})).await;
    assert!(platform.try_call(SEND, send(&sn)).await.is_none());
    assert_eq!(vouchers(&platform, &sn).await, 1);
}

#[tokio::test]
async fn a_slow_answer_comes_late_and_whole() {
    let platform = Platform::start(scenario());
    inject(&platform, json!({"kind": "slow", "ms": 120})).await;
    let started = std::time::Instant::now();
    platform.call("pdd.time.get", json!({})).await;
    assert!(started.elapsed().as_millis() >= 120);
    let faults = platform.control("GET", "/faults", Value::Null).await;
    assert_eq!(faults["faults"][0]["struck"], 1);
    let calls = platform.control("GET", "/calls", Value::Null).await;
    assert_eq!(calls["calls"][0]["fault"], "slow");
}
