//! Message push over real WebSockets.

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite::Message};

use super::support::{MALL, NOW_S, Platform, VOUCHER_SKU, scenario, soon};
use crate::Scenario;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn connect(platform: &Platform) -> Socket {
    let ms = (platform.now_s * 1000).to_string();
    let digest = crate::sign::push_digest(&platform.client_id, &ms, &platform.secret);
    let url = format!("{}/message/{}/{ms}/{digest}", platform.handle.push_url(), platform.client_id);
    connect_async(url).await.unwrap().0
}

async fn receive(socket: &mut Socket) -> Value {
    let frame = soon(socket.next()).await.unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

async fn send(socket: &mut Socket, frame: Value) {
    socket.send(Message::text(frame.to_string())).await.unwrap();
}

/// Returns the next frame only after the server answered a heartbeat: what was due came before it.
async fn until_heartbeat(socket: &mut Socket) -> Vec<Value> {
    send(socket, json!({"commandType": "HeartBeat", "time": 1})).await;
    let mut frames = Vec::new();
    loop {
        let frame = receive(socket).await;
        if frame["commandType"] == "HeartBeat" {
            return frames;
        }
        frames.push(frame);
    }
}

fn quick(factor: f64) -> Scenario {
    let mut quick = scenario();
    quick.pmc.redelivery_factor = factor;
    quick
}

async fn advance(platform: &Platform, seconds: i64) {
    platform.control("POST", "/clock/advance", json!({"seconds": seconds})).await;
}

#[tokio::test]
async fn a_deal_is_pushed_and_acknowledged() {
    let platform = Platform::start(scenario());
    let mut socket = connect(&platform).await;
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    let frame = receive(&mut socket).await;
    assert_eq!(frame["commandType"], "Common");
    assert_eq!(frame["message"]["type"], "pdd_trade_TradeConfirmed");
    assert_eq!(frame["message"]["mallID"], MALL);
    let content: Value = serde_json::from_str(frame["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content, json!({"mall_id": MALL, "tid": sn}));
    let backlog = "pdd.pmc.accrue.query";
    assert_eq!(platform.call(backlog, json!({})).await["number"], 1);
    let ack = json!({"id": frame["id"], "commandType": "Ack", "time": 1, "sendTime": 1, "type": "x", "mallID": MALL});
    send(&mut socket, ack).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    assert_eq!(platform.call(backlog, json!({})).await["number"], 0);
}

#[tokio::test]
async fn what_is_not_acknowledged_comes_again() {
    let platform = Platform::start(quick(1.0));
    let mut socket = connect(&platform).await;
    platform.order(VOUCHER_SKU, json!({})).await;
    let first = receive(&mut socket).await;
    let fail = json!({"id": first["id"], "commandType": 2, "failReason": "later", "time": 1});
    send(&mut socket, fail).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    advance(&platform, 599).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    advance(&platform, 1).await;
    let second = receive(&mut socket).await;
    assert_eq!((second["id"].clone(), second["message"].clone()), (first["id"].clone(), first["message"].clone()));
    let push = platform.control("GET", "/push", Value::Null).await;
    assert_eq!(push["applications"]["sandbox-client"]["last_fail_reason"], "later");
    // The number one SDK sends for Ack.
    send(&mut socket, json!({"id": first["id"], "commandType": 1, "time": 1})).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    advance(&platform, 600).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
}

#[tokio::test]
async fn a_backlog_waits_for_a_connection_seven_days() {
    let platform = Platform::start(scenario());
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    advance(&platform, 7 * 86_400 - 1).await;
    let mut socket = connect(&platform).await;
    assert!(receive(&mut socket).await.to_string().contains(&sn));
    let platform = Platform::start(scenario());
    platform.order(VOUCHER_SKU, json!({})).await;
    advance(&platform, 7 * 86_400).await;
    let mut socket = connect(&platform).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
}

#[tokio::test]
async fn connections_share_the_messages() {
    let platform = Platform::start(scenario());
    let mut first = connect(&platform).await;
    let mut second = connect(&platform).await;
    // Both are registered once they have answered.
    until_heartbeat(&mut first).await;
    until_heartbeat(&mut second).await;
    platform.order(VOUCHER_SKU, json!({"count": 10})).await;
    let (left, right) = (until_heartbeat(&mut first).await.len(), until_heartbeat(&mut second).await.len());
    assert_eq!((left, right), (5, 5));
}

#[tokio::test]
async fn messages_are_missed_doubled_and_overtaken_by_rule() {
    let mut disorderly = scenario();
    disorderly.pmc.disorder_ms = 500;
    let platform = Platform::start(disorderly);
    let mut socket = connect(&platform).await;
    until_heartbeat(&mut socket).await;
    let rule = |kind: &str| json!({"api": "pdd_trade_*", "kind": kind, "remaining": 1});
    platform.control("POST", "/faults", rule("missed_push")).await;
    platform.order(VOUCHER_SKU, json!({})).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    platform.control("POST", "/faults", rule("duplicate_push")).await;
    platform.order(VOUCHER_SKU, json!({})).await;
    assert_eq!(until_heartbeat(&mut socket).await.len(), 2);
    platform.control("PATCH", "/switches", json!({"pmc": {"disorder_probability": 1.0}})).await;
    let held = platform.order(VOUCHER_SKU, json!({})).await;
    platform.control("PATCH", "/switches", json!({"pmc": {}})).await;
    let later = platform.order(VOUCHER_SKU, json!({})).await;
    assert!(receive(&mut socket).await.to_string().contains(&later));
    advance(&platform, 1).await;
    assert!(receive(&mut socket).await.to_string().contains(&held));
}

#[tokio::test]
async fn pushes_need_a_permit_with_the_topic() {
    let mut scenario = scenario();
    scenario.malls[0].tokens[0].pmc_permitted = false;
    let platform = Platform::start(scenario);
    let mut socket = connect(&platform).await;
    platform.order(VOUCHER_SKU, json!({})).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
    let owner = json!({"owner_id": MALL.to_string()});
    assert_eq!(platform.error("pdd.pmc.user.get", owner.clone()).await.0, 50001);
    let topics = json!({"topics": "pdd_refund_RefundCreated"});
    platform.call("pdd.pmc.user.permit", topics).await;
    let user = platform.call("pdd.pmc.user.get", owner.clone()).await["pmc_user"].clone();
    assert_eq!((user["is_expire"].clone(), user["topics"][0].clone()), (json!(0), json!("pdd_refund_RefundCreated")));
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    let frames = until_heartbeat(&mut socket).await;
    assert_eq!(frames.len(), 1);
    let content: Value = serde_json::from_str(frames[0]["message"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(
        (content["refund_fee"].clone(), content["bill_type"].clone(), content["modified"].clone()),
        (json!(990), json!(1), json!(NOW_S * 1000))
    );
    assert_eq!(platform.call("pdd.pmc.user.cancel", owner).await["is_success"], true);
    let sn = platform.order(VOUCHER_SKU, json!({})).await;
    platform.control("POST", &format!("/orders/{sn}/refund"), Value::Null).await;
    assert!(until_heartbeat(&mut socket).await.is_empty());
}

#[tokio::test]
async fn control_cuts_connections() {
    let platform = Platform::start(scenario());
    let mut socket = connect(&platform).await;
    until_heartbeat(&mut socket).await;
    let cut = platform.control("POST", "/push/sandbox-client/disconnect", Value::Null).await;
    assert_eq!(cut["disconnected"], 1);
    loop {
        match soon(socket.next()).await {
            None | Some(Err(_) | Ok(Message::Close(_))) => break,
            Some(Ok(_)) => {}
        }
    }
}

#[tokio::test]
async fn an_old_digest_is_refused() {
    let mut platform = Platform::start(scenario());
    platform.now_s -= 601;
    let ms = (platform.now_s * 1000).to_string();
    let digest = crate::sign::push_digest(&platform.client_id, &ms, &platform.secret);
    let url = format!("{}/message/{}/{ms}/{digest}", platform.handle.push_url(), platform.client_id);
    assert!(connect_async(url).await.is_err());
}
