//! The frames of the push connection, read with tolerance and answered exactly (protocol 8.2, 8.3).

use chrono::{DateTime, Utc};
use kamiflow_kernel::{MallId, OrderSn};
use serde::{Deserialize, Serialize};

use crate::wire;

const FAIL_REASON_LIMIT: usize = 1000;

/// What a message is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PushKind {
    /// A deal was made.
    TradeConfirmed,
    /// An order was shipped.
    TradeSellerShip,
    /// The buyer received an order.
    TradeSuccess,
    /// The risk review of an order changed.
    TradeRiskChanged,
    /// The address of an order changed.
    TradeLogisticsAddressChanged,
    /// The seller's note of an order changed.
    TradeMemoModified,
    /// The buyer's note of an order changed.
    BuyerMemoModified,
    /// An after-sale was opened.
    RefundCreated,
    /// A refund was agreed to.
    RefundAgreeAgreement,
    /// An after-sale was closed.
    RefundClosed,
    /// The buyer changed an after-sale.
    RefundBuyerModifyAgreement,
    /// The buyer returned goods.
    RefundBuyerReturnGoods,
    /// A message in an after-sale.
    RefundCreateMessage,
    /// A product changed; the rest of the type's name.
    Goods(String),
    /// Any other type, by its full name.
    Other(String),
}

impl PushKind {
    fn parse(name: &str) -> Self {
        match name {
            "pdd_trade_TradeConfirmed" => Self::TradeConfirmed,
            "pdd_trade_TradeSellerShip" => Self::TradeSellerShip,
            "pdd_trade_TradeSuccess" => Self::TradeSuccess,
            "pdd_trade_TradeRiskChanged" => Self::TradeRiskChanged,
            "pdd_trade_TradeLogisticsAddressChanged" => Self::TradeLogisticsAddressChanged,
            "pdd_trade_TradeMemoModified" => Self::TradeMemoModified,
            "pdd_trade_BuyerMemoModified" => Self::BuyerMemoModified,
            "pdd_refund_RefundCreated" => Self::RefundCreated,
            "pdd_refund_RefundAgreeAgreement" => Self::RefundAgreeAgreement,
            "pdd_refund_RefundClosed" => Self::RefundClosed,
            "pdd_refund_RefundBuyerModifyAgreement" => Self::RefundBuyerModifyAgreement,
            "pdd_refund_RefundBuyerReturnGoods" => Self::RefundBuyerReturnGoods,
            "pdd_refund_RefundCreateMessage" => Self::RefundCreateMessage,
            other => match other.strip_prefix("pdd_goods_") {
                Some(change) => Self::Goods(change.to_owned()),
                None => Self::Other(other.to_owned()),
            },
        }
    }
}

/// A message, reduced to what it hints at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushMessage {
    /// The platform's number; not safe for recognizing repetitions.
    pub id: i64,
    /// What it is about.
    pub kind: PushKind,
    /// The mall.
    pub mall: MallId,
    /// The order, for messages about one.
    pub order_sn: Option<OrderSn>,
    /// The after-sale, for messages about one.
    pub refund_id: Option<i64>,
    /// When the after-sale changed.
    pub modified: Option<DateTime<Utc>>,
}

#[derive(Deserialize)]
struct WireFrame {
    #[serde(default, deserialize_with = "wire::int")]
    id: Option<i64>,
    #[serde(default, rename = "commandType", deserialize_with = "wire::text")]
    command: Option<String>,
    #[serde(default, deserialize_with = "wire::int")]
    time: Option<i64>,
    #[serde(default, rename = "sendTime", deserialize_with = "wire::int")]
    send_time: Option<i64>,
    #[serde(default)]
    message: Option<WireMessage>,
}

#[derive(Deserialize)]
struct WireMessage {
    #[serde(default, rename = "type", deserialize_with = "wire::text")]
    kind: Option<String>,
    #[serde(default, rename = "mallID", alias = "mallId", deserialize_with = "wire::int")]
    mall: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    content: Option<String>,
}

#[derive(Deserialize, Default)]
struct WireContent {
    #[serde(default, deserialize_with = "wire::int")]
    mall_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    tid: Option<String>,
    #[serde(default, deserialize_with = "wire::int")]
    refund_id: Option<i64>,
    #[serde(default, deserialize_with = "wire::millis")]
    modified: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WireAnswer<'a> {
    id: i64,
    command_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    send_time: Option<i64>,
    #[serde(rename = "type")]
    kind: &'a str,
    #[serde(rename = "mallID", skip_serializing_if = "Option::is_none")]
    mall: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fail_reason: Option<String>,
}

/// What is needed to answer a message.
#[derive(Debug, Clone)]
pub(super) struct Envelope {
    id: i64,
    time: Option<i64>,
    send_time: Option<i64>,
    kind: String,
    mall: Option<i64>,
}

/// A frame from the platform.
#[derive(Debug)]
pub(super) enum Frame {
    /// A message, or why it hints at nothing.
    Message(Envelope, Result<PushMessage, &'static str>),
    /// A sign of life.
    HeartBeat,
    /// Nothing that asks for an answer.
    Other,
}

/// Reads a frame; what cannot be read asks for nothing.
pub(super) fn read(text: &str) -> Frame {
    // Fields without their names, in a list, would be read in the order of ours.
    if !text.trim_start().starts_with('{') {
        return Frame::Other;
    }
    let Ok(frame) = serde_json::from_str::<WireFrame>(text) else { return Frame::Other };
    // The .NET SDK writes the command's number; a server of that make is answered too.
    match frame.command.as_deref() {
        Some("HeartBeat" | "0") => return Frame::HeartBeat,
        Some("Common" | "3") => {}
        _ => return Frame::Other,
    }
    let (Some(id), Some(message)) = (frame.id, frame.message) else { return Frame::Other };
    let kind = message.kind.unwrap_or_default();
    // The contents of some types are undocumented; what cannot be read there still hints at the mall.
    let content: WireContent =
        message.content.as_deref().and_then(|content| serde_json::from_str(content).ok()).unwrap_or_default();
    let mall = message.mall.or(content.mall_id);
    let envelope = Envelope { id, time: frame.time, send_time: frame.send_time, kind, mall: message.mall };
    let read = mall.ok_or("the message names no mall").map(|mall| PushMessage {
        id,
        kind: PushKind::parse(&envelope.kind),
        mall: MallId(mall),
        order_sn: content.tid.and_then(|tid| tid.parse().ok()),
        refund_id: content.refund_id,
        modified: content.modified,
    });
    Frame::Message(envelope, read)
}

impl Envelope {
    /// Returns the frame that acknowledges the message, or says why it was not taken.
    pub(super) fn answer(&self, outcome: Result<(), &str>) -> Result<String, serde_json::Error> {
        serde_json::to_string(&WireAnswer {
            id: self.id,
            command_type: if outcome.is_ok() { "Ack" } else { "Fail" },
            time: self.time,
            send_time: self.send_time,
            kind: &self.kind,
            mall: self.mall,
            fail_reason: outcome.err().map(|reason| reason.chars().take(FAIL_REASON_LIMIT).collect()),
        })
    }
}

/// Returns a heartbeat.
pub(super) fn heartbeat(now: DateTime<Utc>) -> String {
    format!(r#"{{"commandType":"HeartBeat","time":{}}}"#, now.timestamp_millis())
}

#[cfg(test)]
mod tests;
