//! Telling the platform that a card was used or destroyed.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{GoodsId, MallId, OrderSn, PlatformSkuId, SecretText};
use serde::{Deserialize, Serialize};

use crate::api::{ApiMeta, InBand, api};
use crate::wire;

/// `pdd.voucher.virtual.card.verification`: reports cards as used or destroyed.
#[derive(Debug, Clone)]
pub struct CardVerification {
    /// The order.
    pub order_sn: OrderSn,
    /// What changed.
    pub changes: Vec<VoucherChange>,
}

/// A card that was used or destroyed.
#[derive(Debug, Clone)]
pub struct VoucherChange {
    /// Our serial of the change, the same at every repetition.
    pub out_trans_no: String,
    /// When. Sent as milliseconds; the unit is not documented.
    pub at: DateTime<Utc>,
    /// What happened.
    pub state: CardState,
    /// The card's number.
    pub voucher_no: SecretText,
}

/// What a report says about a card.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardState {
    /// 已核销
    Used,
    /// 已销毁
    Destroyed,
}

impl CardState {
    const fn number(self) -> i64 {
        match self {
            Self::Used => 1,
            Self::Destroyed => 2,
        }
    }
}

/// The answer of [`CardVerification`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VerifiedCards {
    /// The order.
    #[serde(default)]
    pub order_sn: Option<OrderSn>,
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// The mall.
    #[serde(default, deserialize_with = "wire::mall_id")]
    pub mall_id: Option<MallId>,
    /// The cards.
    #[serde(default, deserialize_with = "wire::list")]
    pub voucher_list: Vec<VerifiedCard>,
}

/// A reported card. Numbers are kept from `Debug`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VerifiedCard {
    /// The card's number.
    #[serde(default, deserialize_with = "wire::secret")]
    pub card_no: Option<SecretText>,
    /// Its state; undocumented, by analogy 1 not redeemed, 2 redeemed, 3 expired, 4 destroyed.
    #[serde(default, deserialize_with = "wire::int")]
    pub status: Option<i64>,
    /// Its refund state; undocumented.
    #[serde(default, deserialize_with = "wire::int")]
    pub refund_status: Option<i64>,
    /// When it was redeemed.
    #[serde(default, deserialize_with = "wire::millis")]
    pub verification_at: Option<DateTime<Utc>>,
}

/// `pdd.voucher.realtime.verify.sync`: reports one use of a code that was issued in real time.
#[derive(Debug, Clone)]
pub struct RealtimeVerifySync {
    /// The order.
    pub order_sn: OrderSn,
    /// Our serial of the redemption, the same at every repetition.
    pub serial_no: String,
    /// When.
    pub verified_at: DateTime<Utc>,
    /// The code's id.
    pub out_voucher_id: String,
    /// A remark.
    pub remark: Option<String>,
    /// The store's name.
    pub shop_name: Option<String>,
    /// The store's number.
    pub shop_no: Option<String>,
}

/// The answer of [`RealtimeVerifySync`], which has no wrapper. The success value of `code` is not documented.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RealtimeVerifySynced {
    /// 0 is taken for success.
    #[serde(default, deserialize_with = "wire::int")]
    pub code: Option<i64>,
    /// The platform's text.
    #[serde(default, deserialize_with = "wire::text")]
    pub message: Option<String>,
}

#[derive(Serialize)]
struct WireChange<'a> {
    out_trans_no: &'a str,
    voucher_time: i64,
    voucher_status: i64,
    voucher_no: &'a str,
}

#[derive(Serialize)]
struct WireSync<'a> {
    order_sn: &'a str,
    serial_no: &'a str,
    verify_time: i64,
    out_voucher_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shop_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shop_no: Option<&'a str>,
}

fn judge(answer: &RealtimeVerifySynced) -> InBand {
    match (answer.code, &answer.message) {
        (Some(0), _) => InBand::Done,
        (Some(code), Some(message)) => InBand::Refused { code: Some(code), message: message.clone() },
        _ => InBand::Unclear,
    }
}

api!(CardVerification =>
ApiMeta::write("pdd.voucher.virtual.card.verification", "voucher_voucher_info_verify_response"), VerifiedCards,
|this, params| {
    let changes = this.changes.iter().map(|change| WireChange {
        out_trans_no: &change.out_trans_no,
        voucher_time: change.at.timestamp_millis(),
        voucher_status: change.state.number(),
        voucher_no: change.voucher_no.expose(),
    });
    params.text("order_sn", this.order_sn.as_str());
    params.json("voucher_data_list", &changes.collect::<Vec<_>>());
});
api!(RealtimeVerifySync => ApiMeta::write("pdd.voucher.realtime.verify.sync", "").unwrapped(), RealtimeVerifySynced,
    |this, params| {
        params.json("request", &WireSync {
            order_sn: this.order_sn.as_str(),
            serial_no: &this.serial_no,
            verify_time: this.verified_at.timestamp_millis(),
            out_voucher_id: &this.out_voucher_id,
            remark: this.remark.as_deref(),
            shop_name: this.shop_name.as_deref(),
            shop_no: this.shop_no.as_deref(),
        });
    }, in_band judge);
