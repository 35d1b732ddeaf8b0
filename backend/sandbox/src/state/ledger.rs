//! What really happened on the platform, kept apart from what clients were told.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::order::HistoryEntry;

fn as_text<S: Serializer>(text: &Arc<str>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(text)
}

/// One fact about an order.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    pub(crate) at_ms: i64,
    pub(crate) mall_id: u64,
    pub(crate) client_id: String,
    #[serde(serialize_with = "as_text")]
    pub(crate) order_sn: Arc<str>,
    #[serde(flatten)]
    pub(crate) fact: Fact,
}

/// Kinds of facts.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Fact {
    Voucher { out_biz_no: String, voucher_id: String, voucher_no: String, send_no: usize },
    RepeatedSend { out_biz_no: String, vouchers: usize },
    IssuedCard { card_no: String, sku_id: u64, goods_type: i64 },
    Verification { method: &'static str, voucher_no: String, serial: String, status: i64 },
    Charge { outer_order_sn: String, status: String },
    Shipment { logistics_id: u64, tracking_number: String },
    Appointment { out_biz_no: String, appointment_time: i64, logistics_type: i64 },
    PhysicalGoods { out_biz_no: String, logistics_no: String },
    Complaint { out_biz_no: String, complain_type: i64 },
    Refusal { api: &'static str, reason: String },
}

/// The ledger as control shows it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct LedgerView {
    /// Every voucher that took effect.
    pub(crate) vouchers: Vec<Entry>,
    /// Voucher calls that repeated an earlier one and changed nothing.
    pub(crate) repeated_sends: Vec<Entry>,
    /// Every code the platform handed to a buyer.
    pub(crate) issued_cards: Vec<Entry>,
    /// Every redemption that took effect.
    pub(crate) verifications: Vec<Entry>,
    /// Every charge notification.
    pub(crate) charges: Vec<Entry>,
    /// Every shipment.
    pub(crate) shipments: Vec<Entry>,
    /// Every appointment.
    pub(crate) appointments: Vec<Entry>,
    /// Every parcel of a voucher.
    pub(crate) physical_goods: Vec<Entry>,
    /// Every complaint.
    pub(crate) complaints: Vec<Entry>,
    /// Delivery calls refused because the order must not be shipped.
    pub(crate) refusals: Vec<Entry>,
    /// Every imported batch.
    pub(crate) imports: Vec<Import>,
    /// Every order.
    pub(crate) orders: Vec<OrderRecord>,
}

/// One import of codes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Import {
    pub(crate) at_ms: i64,
    pub(crate) mall_id: u64,
    pub(crate) client_id: String,
    pub(crate) batch_id: u64,
    pub(crate) goods_id: u64,
    pub(crate) sku_id: u64,
    pub(crate) card_nos: Vec<String>,
}

/// One order with its history.
#[derive(Debug, Serialize)]
pub(crate) struct OrderRecord {
    #[serde(serialize_with = "as_text")]
    pub(crate) order_sn: Arc<str>,
    pub(crate) mall_id: u64,
    pub(crate) sku_id: u64,
    pub(crate) outer_id: String,
    pub(crate) goods_type: i64,
    pub(crate) delivery_type: i64,
    pub(crate) quantity: i64,
    pub(crate) order_status: i64,
    pub(crate) refund_status: i64,
    pub(crate) confirm_status: i64,
    pub(crate) risk_control_status: i64,
    pub(crate) after_sales_status: i64,
    pub(crate) paid_ms: Option<i64>,
    pub(crate) confirmed_ms: Option<i64>,
    /// First voucher, shipment, charge or hand-out.
    pub(crate) delivered_ms: Option<i64>,
    pub(crate) redeemed_ms: Option<i64>,
    pub(crate) vouchers: usize,
    pub(crate) cards: Vec<CardRecord>,
    pub(crate) history: Vec<HistoryEntry>,
}

/// One code of an order, in clear: control plays the buyer who shows it.
#[derive(Debug, Serialize)]
pub(crate) struct CardRecord {
    pub(crate) card_no: String,
    pub(crate) password: String,
    pub(crate) state: i64,
    pub(crate) remain_times: i64,
}

impl LedgerView {
    /// Files an entry under its kind.
    pub(crate) fn add(&mut self, entry: Entry) {
        let list = match &entry.fact {
            Fact::Voucher { .. } => &mut self.vouchers,
            Fact::RepeatedSend { .. } => &mut self.repeated_sends,
            Fact::IssuedCard { .. } => &mut self.issued_cards,
            Fact::Verification { .. } => &mut self.verifications,
            Fact::Charge { .. } => &mut self.charges,
            Fact::Shipment { .. } => &mut self.shipments,
            Fact::Appointment { .. } => &mut self.appointments,
            Fact::PhysicalGoods { .. } => &mut self.physical_goods,
            Fact::Complaint { .. } => &mut self.complaints,
            Fact::Refusal { .. } => &mut self.refusals,
        };
        list.push(entry);
    }
}
