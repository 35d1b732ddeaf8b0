//! Frames as documented, and frames as they should not be.

use chrono::DateTime;
use kamiflow_kernel::MallId;
use serde_json::{Value, json};

use super::{Frame, PushKind, heartbeat, read};

const CONFIRMED: &str = r#"{"id":2001,"commandType":"Common","time":1795371800000,"sendTime":1795371800100,"message":{"type":"pdd_trade_TradeConfirmed","mallID":100000001,"content":"{\"mall_id\":100000001,\"tid\":\"261122-100000000000017\"}"}}"#;

#[test]
fn the_documented_message_is_read_and_acknowledged_as_documented() {
    let Frame::Message(envelope, message) = read(CONFIRMED) else { panic!("not a message") };
    let message = message.unwrap();
    assert_eq!((message.id, &message.kind, message.mall), (2001, &PushKind::TradeConfirmed, MallId(100_000_001)));
    assert_eq!(message.order_sn.unwrap().as_str(), "261122-100000000000017");
    let ack: Value = serde_json::from_str(&envelope.answer(Ok(())).unwrap()).unwrap();
    let expected = json!({"id": 2001, "commandType": "Ack", "time": 1_795_371_800_000i64,
        "sendTime": 1_795_371_800_100i64, "type": "pdd_trade_TradeConfirmed", "mallID": 100_000_001});
    assert_eq!(ack, expected);
    let fail: Value = serde_json::from_str(&envelope.answer(Err(&"长".repeat(2000))).unwrap()).unwrap();
    assert_eq!(fail["commandType"], "Fail");
    assert_eq!(fail["failReason"].as_str().unwrap().chars().count(), 1000);
}

#[test]
fn an_after_sale_carries_its_number_and_moment() {
    let text = r#"{"id":"7","commandType":"Common","extra":[1],"message":{"type":"pdd_refund_RefundCreated","mallID":"5","content":"{\"mall_id\":5,\"tid\":\"261122-100000000000017\",\"refund_id\":600001,\"refund_fee\":990,\"modified\":1795371800000,\"new\":{}}"}}"#;
    let Frame::Message(_, message) = read(text) else { panic!("not a message") };
    let message = message.unwrap();
    assert_eq!((message.id, message.mall, message.refund_id), (7, MallId(5), Some(600_001)));
    assert_eq!(message.modified, DateTime::from_timestamp_millis(1_795_371_800_000));
}

#[test]
fn an_unknown_type_or_content_still_hints_at_the_mall() {
    let frame = |kind: &str, content: &str| {
        let text =
            json!({"id": 1, "commandType": "Common", "message": {"type": kind, "mallID": 5, "content": content}});
        let Frame::Message(_, message) = read(&text.to_string()) else { panic!("not a message") };
        message.unwrap()
    };
    assert_eq!(frame("pdd_goods_GoodsOnShelf", "{}").kind, PushKind::Goods("GoodsOnShelf".to_owned()));
    assert_eq!(frame("pdd_new_Thing", "not json").kind, PushKind::Other("pdd_new_Thing".to_owned()));
    assert_eq!(frame("pdd_trade_TradeSuccess", r#"{"tid":"a b"}"#).order_sn, None);
}

#[test]
fn a_message_without_mall_can_only_be_failed() {
    let Frame::Message(_, message) = read(r#"{"id":1,"commandType":"Common","message":{"type":"x","content":"{}"}}"#)
    else {
        panic!("not a message")
    };
    assert!(message.is_err());
}

#[test]
fn anything_else_asks_for_nothing() {
    assert!(matches!(read(r#"{"commandType":"HeartBeat","time":1}"#), Frame::HeartBeat));
    for text in ["", "null", "[]", "{}", r#"{"commandType":"New"}"#, r#"{"commandType":"Common"}"#, r#"{"id":{}}"#] {
        assert!(matches!(read(text), Frame::Other), "{text}");
    }
    let beat: Value =
        serde_json::from_str(&heartbeat(DateTime::from_timestamp_millis(1_795_371_805_000).unwrap())).unwrap();
    assert_eq!(beat, json!({"commandType": "HeartBeat", "time": 1_795_371_805_000i64}));
}
