//! Redeeming the platform's own codes (goods_type 19, "OTA cards").

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, MallId, OrderSn, SecretText};
use serde::{Deserialize, Serialize};

use crate::api::{ApiMeta, InBand, api};
use crate::wire;

/// `pdd.voucher.ota.card.prepare.verification`: looks a code up before it is redeemed.
#[derive(Debug, Clone)]
pub struct OtaPrepare {
    /// The buyer's code.
    pub card_no: SecretText,
    /// The store it is shown in.
    pub store_id: Option<i64>,
}

/// The answer of [`OtaPrepare`].
#[derive(Debug, Clone, Deserialize)]
pub struct OtaPrepared {
    #[serde(default, deserialize_with = "wire::flag")]
    success: Option<bool>,
    #[serde(default, rename = "errorCode", deserialize_with = "wire::int")]
    error_code: Option<i64>,
    #[serde(default, rename = "errorMsg", deserialize_with = "wire::text")]
    error_msg: Option<String>,
    /// What was found.
    #[serde(default)]
    pub result: Option<OtaFound>,
}

/// A code that was found.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtaFound {
    /// The card.
    #[serde(default)]
    pub card_vo: Option<OtaCard>,
    /// The order it belongs to.
    #[serde(default)]
    pub order_vo: Option<OtaOrder>,
    /// What was bought.
    #[serde(default)]
    pub order_goods_vo: Option<OtaGoods>,
}

/// A platform card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtaCard {
    /// From when it can be used.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub available_start_time: Option<DateTime<Utc>>,
    /// Until when it can be used.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub available_end_time: Option<DateTime<Utc>>,
    /// The number with stars in it.
    #[serde(default, deserialize_with = "wire::text")]
    pub mask_card_no: Option<String>,
    /// Uses that are left; one call takes one.
    #[serde(default, deserialize_with = "wire::int")]
    pub remain_times: Option<i64>,
    /// Uses in all.
    #[serde(default, deserialize_with = "wire::int")]
    pub total_times: Option<i64>,
    /// 1 not redeemed, 2 redeemed, 3 expired, 4 destroyed.
    #[serde(default, deserialize_with = "wire::int")]
    pub status: Option<i64>,
    /// The platform's remark about the status.
    #[serde(default, deserialize_with = "wire::text")]
    pub status_tips: Option<String>,
}

/// The order of a platform card.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtaOrder {
    /// The order.
    #[serde(default)]
    pub order_sn: Option<OrderSn>,
    /// Its amount.
    #[serde(default, rename = "order_amount_fen", deserialize_with = "wire::fen")]
    pub order_amount: Option<Fen>,
}

/// What a platform card was bought as.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtaGoods {
    /// The product's name.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_name: Option<String>,
    /// How many.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_number: Option<i64>,
    /// The merchant's code of the SKU.
    #[serde(default, deserialize_with = "wire::text")]
    pub out_sku_sn: Option<String>,
}

/// `pdd.voucher.ota.card.verification`: redeems one use of a code.
#[derive(Debug, Clone)]
pub struct OtaVerification {
    /// The buyer's code.
    pub card_no: SecretText,
    /// The store, from [`crate::api::mall::MallStoresGet`].
    pub store_id: i64,
    /// The store's name.
    pub store_name: String,
    /// The order, when it is known.
    pub order_sn: Option<OrderSn>,
}

/// The answer of [`OtaVerification`].
#[derive(Debug, Clone, Deserialize)]
pub struct OtaVerified {
    #[serde(default, deserialize_with = "wire::flag")]
    success: Option<bool>,
    #[serde(default, rename = "errorCode", deserialize_with = "wire::int")]
    error_code: Option<i64>,
    #[serde(default, rename = "errorMsg", deserialize_with = "wire::text")]
    error_msg: Option<String>,
    /// What became of the code.
    #[serde(default)]
    pub result: Option<OtaRedemption>,
}

/// A redeemed use.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OtaRedemption {
    /// 1 not redeemed, 2 redeemed, 3 expired, 4 destroyed, 99 in progress: look it up again.
    #[serde(default, deserialize_with = "wire::int")]
    pub status: Option<i64>,
    /// The mall.
    #[serde(default, deserialize_with = "wire::mall_id")]
    pub mall_id: Option<MallId>,
    /// The order.
    #[serde(default)]
    pub order_sn: Option<OrderSn>,
    /// When.
    #[serde(default, deserialize_with = "wire::time")]
    pub verification_time: Option<DateTime<Utc>>,
}

#[derive(Serialize)]
struct WirePrepare<'a> {
    card_no: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_id: Option<i64>,
}

api!(OtaPrepare => ApiMeta::read("pdd.voucher.ota.card.prepare.verification", "response"), OtaPrepared,
    |this, params| {
        params.json("request", &WirePrepare { card_no: this.card_no.expose(), store_id: this.store_id });
    },
    in_band |answer: &OtaPrepared| InBand::flag(answer.success, answer.error_code, answer.error_msg.as_deref()));
api!(OtaVerification =>
    ApiMeta::write("pdd.voucher.ota.card.verification", "voucher_ota_card_verification_response"), OtaVerified,
    |this, params| {
        params.text("card_no", this.card_no.expose()).number("store_id", this.store_id);
        params.text("store_name", &this.store_name);
        params.maybe_text("order_sn", this.order_sn.as_ref().map(OrderSn::as_str));
    },
    in_band |answer: &OtaVerified| InBand::flag(answer.success, answer.error_code, answer.error_msg.as_deref()));
