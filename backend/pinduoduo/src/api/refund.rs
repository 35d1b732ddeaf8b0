//! After-sales (protocol 6). The list and the detail differ in units and numbering on the wire.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, GoodsId, OrderSn, PlatformSkuId};
use serde::{Deserialize, Serialize};

use crate::api::order::comma_separated;
use crate::api::{ApiMeta, InBand, api};
use crate::wire::{self, Listing};

/// `pdd.refund.list.increment.get`: after-sales by update time, spans of at most 30 minutes.
#[derive(Debug, Clone, Copy)]
pub struct RefundIncrementGet {
    /// Start of the span, update time.
    pub from: DateTime<Utc>,
    /// End of the span.
    pub until: DateTime<Utc>,
    /// See protocol 3.1; 1 is all.
    pub after_sales_status: i64,
    /// 1 all, 2 refund only, 3 return and refund, 4 exchange, 5 resend, 6 repair.
    pub after_sales_type: i64,
    /// Page, from 1.
    pub page: u32,
    /// Entries per page, at most 100.
    pub page_size: u32,
}

/// The answer of [`RefundIncrementGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct RefundPage {
    /// How many there are in all.
    #[serde(default, deserialize_with = "wire::int")]
    pub total_count: Option<i64>,
    /// The after-sales, and those of them that cannot be read.
    #[serde(default, rename = "refund_list", deserialize_with = "wire::each")]
    pub refunds: Listing<ListedRefund>,
}

/// An after-sale of the list.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ListedRefund {
    /// The after-sale's number.
    #[serde(default, deserialize_with = "wire::int")]
    pub id: Option<i64>,
    /// The order.
    pub order_sn: OrderSn,
    /// See protocol 3.1.
    #[serde(default, deserialize_with = "wire::int")]
    pub after_sales_status: Option<i64>,
    /// 2 refund only, 3 return and refund, 4 exchange, 5 resend, 6 repair.
    #[serde(default, deserialize_with = "wire::int")]
    pub after_sales_type: Option<i64>,
    /// When it was opened.
    #[serde(default, deserialize_with = "wire::time")]
    pub created_time: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "wire::time")]
    pub updated_time: Option<DateTime<Utc>>,
    /// The order's amount.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub order_amount: Option<Fen>,
    /// What is given back.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub refund_amount: Option<Fen>,
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// How many.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_number: Option<i64>,
}

/// `pdd.refund.information.get`: one after-sale.
#[derive(Debug, Clone)]
pub struct RefundInformationGet {
    /// The order.
    pub order_sn: OrderSn,
    /// The after-sale, when it is known.
    pub after_sales_id: Option<i64>,
}

/// The answer of [`RefundInformationGet`], which has no wrapper; its type numbering is one less than the list's.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefundInformation {
    /// The after-sale's number.
    #[serde(default, deserialize_with = "wire::int")]
    pub id: Option<i64>,
    /// The order.
    pub order_sn: OrderSn,
    /// See protocol 3.1.
    #[serde(default, deserialize_with = "wire::int")]
    pub after_sales_status: Option<i64>,
    /// 1 refund only, 2 return and refund, 3 exchange, 4 resend, 5 repair.
    #[serde(default, deserialize_with = "wire::int")]
    pub after_sales_type: Option<i64>,
    /// Until when the merchant must act.
    #[serde(default, deserialize_with = "wire::millis")]
    pub expire_time: Option<DateTime<Utc>>,
    /// When it was opened.
    #[serde(default, deserialize_with = "wire::millis")]
    pub recreated_at: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "wire::time")]
    pub updated_time: Option<DateTime<Utc>>,
    /// The order's amount.
    #[serde(default, deserialize_with = "wire::fen")]
    pub order_amount: Option<Fen>,
    /// What is given back.
    #[serde(default, deserialize_with = "wire::fen")]
    pub refund_amount: Option<Fen>,
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// How many.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_number: Option<i64>,
}

/// `pdd.refund.agree`: agrees to a refund.
#[derive(Debug, Clone)]
pub struct RefundAgree {
    /// The order.
    pub order_sn: OrderSn,
    /// The after-sale.
    pub after_sales_id: i64,
    /// A remark.
    pub operate_desc: Option<String>,
}

/// The answer of [`RefundAgree`]; a refusal may come as `succ` = false.
#[derive(Debug, Clone, Deserialize)]
pub struct RefundAgreed {
    #[serde(default)]
    result: Option<AgreeResult>,
}

#[derive(Debug, Clone, Deserialize)]
struct AgreeResult {
    #[serde(default, deserialize_with = "wire::flag")]
    succ: Option<bool>,
    #[serde(default, deserialize_with = "wire::text")]
    message: Option<String>,
}

/// `pdd.refund.status.check`: which of these orders have an after-sale; the cheap check before a hand-over.
#[derive(Debug, Clone)]
pub struct RefundStatusCheck {
    /// The orders.
    pub order_sns: Vec<OrderSn>,
}

/// The answer of [`RefundStatusCheck`].
#[derive(Debug, Clone, Deserialize)]
pub struct RefundStatuses {
    /// Present in every answer that says anything; `None` must not be read as "no after-sale".
    #[serde(default)]
    pub order_sns_exists_refund: Option<Vec<RefundedOrder>>,
}

/// An order that has an after-sale.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RefundedOrder {
    /// The order.
    pub order_sn: OrderSn,
}

#[derive(Serialize)]
struct WireAgree<'a> {
    order_sn: &'a str,
    after_sales_id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    operate_desc: Option<&'a str>,
}

fn agreed(answer: &RefundAgreed) -> InBand {
    match &answer.result {
        Some(result) => InBand::flag(result.succ, None, result.message.as_deref()),
        None => InBand::Unclear,
    }
}

api!(RefundIncrementGet => ApiMeta::read("pdd.refund.list.increment.get", "refund_increment_get_response"), RefundPage,
|this, params| {
    params.number("start_updated_at", this.from.timestamp()).number("end_updated_at", this.until.timestamp());
    params.number("after_sales_status", this.after_sales_status).number("after_sales_type", this.after_sales_type);
    params.number("page", this.page).number("page_size", this.page_size);
});
api!(RefundInformationGet => ApiMeta::read("pdd.refund.information.get", "").unwrapped(), RefundInformation,
|this, params| {
    params.text("order_sn", this.order_sn.as_str()).maybe_number("after_sales_id", this.after_sales_id);
});
api!(RefundAgree => ApiMeta::write("pdd.refund.agree", "response"), RefundAgreed, |this, params| {
        params.json("request", &WireAgree {
            order_sn: this.order_sn.as_str(),
            after_sales_id: this.after_sales_id,
            operate_desc: this.operate_desc.as_deref(),
        });
    }, in_band agreed);
api!(RefundStatusCheck => ApiMeta::read("pdd.refund.status.check", "refund_status_check_response"), RefundStatuses,
    |this, params| { params.text("order_sns", &comma_separated(&this.order_sns)); });
