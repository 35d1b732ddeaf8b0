//! Direct charge (protocol 4.3).

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, OrderSn, SecretText, format_platform_time};
use serde::Serialize;

use crate::api::{ApiMeta, Success, api};

/// `pdd.virtual.mobile.charge.notify`: tells how a charge ended.
#[derive(Debug, Clone)]
pub struct ChargeNotify {
    /// The platform's order.
    pub order_sn: OrderSn,
    /// Our order.
    pub outer_order_sn: String,
    /// How it ended.
    pub status: ChargeStatus,
    /// 1 when an electronic invoice was made.
    pub ele_invoice: Option<i64>,
    /// Proofs of the charge.
    pub certificates: Vec<ChargeCertificate>,
}

/// How a charge ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChargeStatus {
    /// Charged; the order is shipped (inferred).
    Success,
    /// Not charged; the buyer is refunded (inferred), so a person decides this.
    Fail,
}

/// A proof of a charge.
#[derive(Debug, Clone)]
pub struct ChargeCertificate {
    /// How much was charged.
    pub amount: Option<Fen>,
    /// When.
    pub charged_at: Option<DateTime<Utc>>,
    /// The charged number.
    pub mobile: Option<SecretText>,
    /// Its last digits.
    pub mobile_tail: Option<String>,
    /// The charger's order.
    pub charge_order_sn: Option<String>,
    /// Anything else.
    pub text: Option<String>,
    /// The merchant's id.
    pub merchant_outer_id: Option<String>,
}

#[derive(Serialize)]
struct WireCertificate<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_amount: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_date: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_mobile: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_mobile_tail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_order_sn: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    charge_certi_text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merchant_outer_id: Option<&'a str>,
}

impl ChargeCertificate {
    fn wire(&self) -> WireCertificate<'_> {
        WireCertificate {
            charge_certi_amount: self.amount.map(|amount| amount.0),
            charge_certi_date: self.charged_at.map(format_platform_time),
            charge_certi_mobile: self.mobile.as_ref().map(SecretText::expose),
            charge_certi_mobile_tail: self.mobile_tail.as_deref(),
            charge_certi_order_sn: self.charge_order_sn.as_deref(),
            charge_certi_text: self.text.as_deref(),
            merchant_outer_id: self.merchant_outer_id.as_deref(),
        }
    }
}

api!(ChargeNotify => ApiMeta::write("pdd.virtual.mobile.charge.notify", "mobile_charge_notify_response"), Success,
    |this, params| {
        params.text("order_sn", this.order_sn.as_str()).text("outer_order_sn", &this.outer_order_sn);
        params.text("status", match this.status { ChargeStatus::Success => "SUCCESS", ChargeStatus::Fail => "FAIL" });
        params.maybe_number("ele_invoice", this.ele_invoice);
        if !this.certificates.is_empty() {
            params.json("charge_certi", &this.certificates.iter().map(ChargeCertificate::wire).collect::<Vec<_>>());
        }
    }, in_band |answer: &Success| answer.in_band());
