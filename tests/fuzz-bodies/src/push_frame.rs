//! Push frames: whatever comes is read or passed over, and what is answered is answered under its own number.

use kamiflow_pinduoduo::push::{Decoded, decode};
use serde_json::Value;

const LONGEST_REASON: usize = 1000;

/// Reads a frame whose first byte says how long a reason for not storing it is.
pub fn run(input: &[u8]) {
    let Some((length, frame)) = input.split_first() else { return };
    let Ok(text) = std::str::from_utf8(frame) else { return };
    let reason = "存".repeat(usize::from(*length) * 8);
    let decoded = decode(text, &reason).expect("every message has an answer");
    let read: Option<Value> = serde_json::from_str(text).ok();
    match decoded {
        Decoded::Other => {}
        Decoded::HeartBeat => {
            let command = read.as_ref().map(|frame| scalar(frame.get("commandType")));
            assert!(command.is_none_or(|command| ["HeartBeat", "0"].contains(&&*command)));
        }
        Decoded::Message { message, ack, fail } => {
            let (ack, fail) = (parsed(&ack), parsed(&fail));
            assert_eq!(
                (scalar(ack.get("commandType")), scalar(fail.get("commandType"))),
                ("Ack".into(), "Fail".into())
            );
            assert_eq!(ack.get("failReason"), None);
            let told = fail.get("failReason").and_then(Value::as_str).expect("a refusal says why");
            assert!(told.chars().count() <= LONGEST_REASON && reason.starts_with(told), "{told:?}");
            if let Ok(message) = &message {
                assert_eq!(ack.get("id").and_then(Value::as_i64), Some(message.id));
            }
            assert_eq!(ack.get("id"), fail.get("id"));
            // Deeply nested frames are read without building them; a library that builds them gives up.
            if let Some(frame) = read {
                answers_that_frame(&frame, &ack);
                answers_that_frame(&frame, &fail);
            }
        }
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("an answer is JSON")
}

/// The number, the times, the type and the mall come back as they were sent.
fn answers_that_frame(frame: &Value, answer: &Value) {
    for key in ["id", "time", "sendTime"] {
        same_number(frame.get(key), answer.get(key));
    }
    let message = frame.get("message").expect("a message has one");
    if let Some(Value::String(kind)) = message.get("type") {
        assert_eq!(answer.get("type").and_then(Value::as_str), Some(&**kind));
    }
    same_number(message.get("mallID").or_else(|| message.get("mallId")), answer.get("mallID"));
}

/// The text of a number or text; empty for what is absent.
fn scalar(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// What was sent as a whole number, or as the text of one, comes back as that number.
fn same_number(sent: Option<&Value>, back: Option<&Value>) {
    if let Some(sent) = number(&scalar(sent)) {
        assert_eq!(back.and_then(Value::as_i64), Some(sent));
    }
}

fn number(text: &str) -> Option<i64> {
    match text.trim() {
        "true" => Some(1),
        "false" => Some(0),
        digits => digits.parse().ok(),
    }
}
