//! Vouchers and cards: sending, importing, redeeming (protocol 4.3).

use kamiflow_kernel::{OrderSn, SecretText};
use serde::Serialize;

pub use import::{CardBatchAdd, CardBatchAdded, ImportedCard};
pub use ota::{OtaCard, OtaOrder, OtaPrepare, OtaPrepared, OtaVerification, OtaVerified};
pub use redeem::{
    CardState, CardVerification, RealtimeVerifySync, RealtimeVerifySynced, VerifiedCard, VerifiedCards, VoucherChange,
};

use crate::api::{ApiMeta, Success, api};
use crate::params::Params;

mod import;
mod ota;
mod redeem;

/// `pdd.voucher.voucher.info.send`: attaches vouchers to a paid order.
///
/// The only public call by which codes reach an order after payment. Whether the buyer sees them in the
/// order page and whether the order turns to shipped is not documented.
#[derive(Debug, Clone)]
pub struct VoucherInfoSend {
    /// The order.
    pub order_sn: OrderSn,
    /// Our serial of this hand-over.
    pub out_biz_no: String,
    /// The vouchers.
    pub vouchers: Vec<Voucher>,
}

/// A voucher as it is sent. The number is what the buyer uses, so `Debug` hides it.
#[derive(Debug, Clone)]
pub struct Voucher {
    /// Our id of the voucher.
    pub voucher_id: String,
    /// The code.
    pub voucher_no: SecretText,
}

#[derive(Serialize)]
struct WireVoucher<'a> {
    voucher_id: &'a str,
    voucher_no: &'a str,
}

fn vouchers(params: &mut Params, vouchers: &[Voucher]) {
    let wire: Vec<_> = vouchers
        .iter()
        .map(|voucher| WireVoucher { voucher_id: &voucher.voucher_id, voucher_no: voucher.voucher_no.expose() })
        .collect();
    params.json("voucher_list", &wire);
}

/// `pdd.voucher.appointment.info.send`: an appointment for sent vouchers.
#[derive(Debug, Clone)]
pub struct AppointmentInfoSend {
    /// The order.
    pub order_sn: OrderSn,
    /// Our serial.
    pub out_biz_no: String,
    /// The vouchers.
    pub vouchers: Vec<Voucher>,
    /// 1 by logistics, 2 picked up.
    pub logistics_type: i64,
    /// When.
    pub appointment_time: chrono::DateTime<chrono::Utc>,
}

/// `pdd.voucher.physical.goods.send`: the shipment of what sent vouchers stand for.
#[derive(Debug, Clone)]
pub struct PhysicalGoodsSend {
    /// The appointment it fulfills.
    pub appointment: AppointmentInfoSend,
    /// Who receives it; given by the merchant, never stored.
    pub recipient: SecretText,
    /// The recipient's phone.
    pub recipient_mobile: SecretText,
    /// The recipient's address.
    pub recipient_address: SecretText,
    /// Tracking number.
    pub logistics_no: String,
    /// Carrier's id.
    pub logistics_company_id: String,
    /// Carrier's name.
    pub logistics_company: String,
}

/// `pdd.voucher.voucher.complain`: a complaint about vouchers.
#[derive(Debug, Clone)]
pub struct VoucherComplain {
    /// The order.
    pub order_sn: OrderSn,
    /// Our serial.
    pub out_biz_no: String,
    /// The vouchers; may be empty.
    pub vouchers: Vec<Voucher>,
    /// Who complains.
    pub complain_user: SecretText,
    /// The complainer's phone.
    pub complain_user_mobile: SecretText,
    /// The complaint.
    pub complain_content: String,
    /// Addresses of attachments.
    pub complain_attachment_list: Vec<String>,
    /// 1 to 7.
    pub complain_type: i64,
}

impl AppointmentInfoSend {
    fn write(&self, params: &mut Params) {
        params.text("order_sn", self.order_sn.as_str()).text("out_biz_no", &self.out_biz_no);
        vouchers(params, &self.vouchers);
        params.number("logistics_type", self.logistics_type);
        params.number("appointment_time", self.appointment_time.timestamp_millis());
    }
}

api!(VoucherInfoSend =>
    ApiMeta::write("pdd.voucher.voucher.info.send", "voucher_voucher_info_send_response"), Success,
    |this, params| {
        params.text("order_sn", this.order_sn.as_str()).text("out_biz_no", &this.out_biz_no);
        vouchers(params, &this.vouchers);
    }, in_band |answer: &Success| answer.in_band());
api!(AppointmentInfoSend =>
    ApiMeta::write("pdd.voucher.appointment.info.send", "voucher_appointment_info_send_response"), Success,
    |this, params| { this.write(params); }, in_band |answer: &Success| answer.in_band());
api!(PhysicalGoodsSend =>
    ApiMeta::write("pdd.voucher.physical.goods.send", "voucher_physical_voucher_send_response"), Success,
    |this, params| {
        this.appointment.write(params);
        params.text("recipient", this.recipient.expose());
        params.text("recipient_mobile", this.recipient_mobile.expose());
        params.text("recipient_address", this.recipient_address.expose());
        params.text("logistics_no", &this.logistics_no);
        params.text("logistics_company_id", &this.logistics_company_id);
        params.text("logistics_company", &this.logistics_company);
    }, in_band |answer: &Success| answer.in_band());
api!(VoucherComplain =>
    ApiMeta::write("pdd.voucher.voucher.complain", "voucher_voucher_complain_response"), Success,
    |this, params| {
        params.text("order_sn", this.order_sn.as_str()).text("out_biz_no", &this.out_biz_no);
        if !this.vouchers.is_empty() {
            vouchers(params, &this.vouchers);
        }
        params.text("complain_user", this.complain_user.expose());
        params.text("complain_user_mobile", this.complain_user_mobile.expose());
        params.text("complain_content", &this.complain_content);
        params.json("complain_attachment_list", &this.complain_attachment_list);
        params.number("complain_type", this.complain_type);
    }, in_band |answer: &Success| answer.in_band());
