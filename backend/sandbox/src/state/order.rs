//! An order: its fields, its history and its two JSON renderings.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{scenario::IdsAs, state::cards::Card, text::JsonWriter};

/// An order to be made, by a scenario or by control.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewOrder {
    /// What is bought; the mall's first sku when left out.
    #[serde(default)]
    pub sku_id: Option<u64>,
    /// How many such orders.
    #[serde(default = "one")]
    pub count: u64,
    /// Pieces per order.
    #[serde(default = "one_piece")]
    pub quantity: i64,
    /// Where the order stands.
    #[serde(default)]
    pub state: NewOrderState,
    /// Seconds since payment; 0 when left out.
    #[serde(default)]
    pub paid_s_ago: f64,
    /// UNIX seconds of payment, in place of `paid_s_ago`.
    #[serde(default)]
    pub paid_at: Option<i64>,
    /// Whether it carries the mark of a platform test order.
    #[serde(default)]
    pub test_order: bool,
    /// Buyer's message.
    #[serde(default)]
    pub buyer_memo: String,
    /// Phone number chosen by the buyer, for top-ups.
    #[serde(default)]
    pub phone: String,
    /// Seconds from shipment to the buyer's confirmation; the scenario's when left out.
    #[serde(default)]
    pub receives_after_s: Option<f64>,
    /// Seconds until the buyer asks for a refund.
    #[serde(default)]
    pub refund_after_s: Option<f64>,
}

impl NewOrder {
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.quantity < 1 {
            return Err("quantity: must be at least 1".to_owned());
        }
        if self.count < 1 || self.count > 100_000 {
            return Err("count: must be between 1 and 100000".to_owned());
        }
        Ok(())
    }
}

impl Default for NewOrder {
    fn default() -> Self {
        Self {
            sku_id: None,
            count: 1,
            quantity: 1,
            state: NewOrderState::Paid,
            paid_s_ago: 0.0,
            paid_at: None,
            test_order: false,
            buyer_memo: String::new(),
            phone: String::new(),
            receives_after_s: None,
            refund_after_s: None,
        }
    }
}

const fn one() -> u64 {
    1
}

const fn one_piece() -> i64 {
    1
}

/// Where a new order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NewOrderState {
    /// Paid and confirmed: to be shipped.
    #[default]
    Paid,
    /// Paid, group not complete; not in any list.
    GroupForming,
    /// Group failed, deal cancelled.
    GroupFailed,
    /// Deposit order with only the deposit paid.
    Deposit,
    /// Deposit order paid in full.
    DepositPaid,
    /// Lottery order not drawn yet.
    Lottery,
    /// Lottery order that won.
    LotteryWon,
    /// Under risk review.
    RiskReview,
    /// Shipped by somebody else.
    Shipped,
    /// Shipped and received.
    Received,
    /// Cancelled before a deal.
    Cancelled,
}

/// What happened to an order, with the millisecond.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HistoryEntry {
    pub(crate) at_ms: i64,
    pub(crate) event: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
}

/// Goods and sku as they were when the order was made.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) goods_id: u64,
    pub(crate) sku_id: u64,
    pub(crate) goods_type: i64,
    pub(crate) delivery_type: i64,
    pub(crate) goods_name: String,
    pub(crate) spec: String,
    pub(crate) outer_id: String,
    pub(crate) outer_goods_id: String,
    pub(crate) image_url: String,
    pub(crate) cat_id: i64,
    pub(crate) price_fen: i64,
    pub(crate) ota_uses: i64,
    pub(crate) valid_days: i64,
}

/// A voucher sent by an ISV.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Voucher {
    pub(crate) voucher_id: String,
    pub(crate) voucher_no: String,
}

/// An order.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) sn: Arc<str>,
    pub(crate) item: Arc<Item>,
    pub(crate) quantity: i64,
    pub(crate) created_ms: i64,
    pub(crate) paid_ms: Option<i64>,
    pub(crate) confirmed_ms: Option<i64>,
    pub(crate) shipped_ms: Option<i64>,
    pub(crate) received_ms: Option<i64>,
    pub(crate) updated_ms: i64,
    /// Place in the mall's update index; set by every update.
    pub(crate) update_seq: u64,
    pub(crate) order_status: i64,
    pub(crate) refund_status: i64,
    pub(crate) confirm_status: i64,
    pub(crate) group_status: i64,
    pub(crate) risk_control_status: i64,
    pub(crate) after_sales_status: i64,
    pub(crate) step_trade_status: Option<i64>,
    pub(crate) is_lucky_flag: i64,
    pub(crate) is_test_order: bool,
    pub(crate) buyer_memo: String,
    pub(crate) phone: String,
    pub(crate) remark: String,
    pub(crate) remark_tag: i64,
    pub(crate) remark_tag_name: String,
    pub(crate) logistics_id: u64,
    pub(crate) tracking_number: String,
    pub(crate) receives_after_s: Option<f64>,
    pub(crate) cards: Vec<Card>,
    pub(crate) vouchers: Vec<Voucher>,
    /// `out_biz_no` of every accepted voucher call.
    pub(crate) sends: Vec<(String, Vec<Voucher>)>,
    /// `serial_no` of every accepted real-time redemption.
    pub(crate) serials: Vec<String>,
    pub(crate) history: Vec<HistoryEntry>,
}

impl Order {
    pub(crate) fn note(&mut self, at_ms: i64, event: &'static str, detail: impl Into<String>) {
        self.history.push(HistoryEntry { at_ms, event, detail: detail.into() });
    }

    pub(crate) fn amount_fen(&self) -> i64 {
        self.item.price_fen.saturating_mul(self.quantity)
    }

    /// Returns why the order must not be shipped, if so.
    pub(crate) fn unshippable_because(&self) -> Option<&'static str> {
        if self.confirm_status != 1 {
            Some("订单未成交")
        } else if self.refund_status != 1 || !matches!(self.after_sales_status, 0 | 9 | 11 | 12) {
            Some("订单存在售后")
        } else if self.risk_control_status != 0 {
            Some("订单审核中，暂不可发货")
        } else if self.step_trade_status.is_some_and(|status| status != 2) {
            Some("定金订单未付尾款")
        } else if self.is_lucky_flag == 2 && self.group_status != 1 {
            Some("抽奖订单未开奖")
        } else {
            None
        }
    }

    /// Writes the Order object of the list and information APIs.
    pub(crate) fn write(&self, writer: &mut JsonWriter, ids_as: IdsAs, shows_ota_cards: bool) {
        self.write_basics(writer);
        let w = writer;
        w.integer("confirm_status", self.confirm_status);
        w.integer("group_status", self.group_status);
        w.integer("after_sales_status", self.after_sales_status);
        w.time("created_time", Some(self.created_ms));
        w.time("pay_time", self.paid_ms);
        w.time("last_ship_time", self.confirmed_ms.map(|at_ms| at_ms + 48 * 3_600_000));
        w.time("shipping_time", self.shipped_ms);
        w.time("receive_time", self.received_ms);
        w.string("buyer_memo", &self.buyer_memo);
        w.string("remark", &self.remark);
        w.integer("remark_tag", self.remark_tag);
        w.string("remark_tag_name", &self.remark_tag_name);
        w.id("logistics_id", self.logistics_id, self.logistics_id == 999);
        if self.logistics_id == 999 && self.tracking_number.is_empty() {
            w.null("tracking_number");
        } else {
            w.string("tracking_number", &self.tracking_number);
        }
        w.open_object("bought_from_vegetable_info");
        w.integer("not_sign", i64::from(self.is_test_order));
        w.close_object();
        w.open_array("card_info_list");
        for card in self.cards.iter().filter(|card| shows_ota_cards || !card.is_ota) {
            w.open_element();
            w.string("card_no", &card.sealed_no);
            w.string("mask_password", &card.sealed_password);
            w.close_object();
        }
        w.close_array();
        self.write_items(w, ids_as);
        w.fields(UNUSED_FIELDS);
    }

    /// Writes the subset of `pdd.order.basic.list.get`.
    pub(crate) fn write_basic(&self, writer: &mut JsonWriter, ids_as: IdsAs) {
        self.write_basics(writer);
        self.write_items(writer, ids_as);
        writer.fields(UNUSED_BASIC_FIELDS);
    }

    fn write_basics(&self, w: &mut JsonWriter) {
        w.string("order_sn", &self.sn);
        w.integer("order_status", self.order_status);
        w.integer("refund_status", self.refund_status);
        w.integer("risk_control_status", self.risk_control_status);
        w.integer("trade_type", i64::from(self.step_trade_status.is_some()));
        w.integer("is_lucky_flag", self.is_lucky_flag);
        w.time("confirm_time", self.confirmed_ms);
        w.time("updated_at", Some(self.updated_ms));
        w.integer("cat_id_1", 8721);
        w.integer("cat_id_2", 8749);
        w.integer("cat_id_3", self.item.cat_id);
        w.yuan("goods_amount", self.amount_fen());
        w.yuan("pay_amount", self.amount_fen());
        match self.step_trade_status {
            None => w.null("step_order_info"),
            Some(status) => {
                let deposit_fen = self.amount_fen() / 10;
                w.open_object("step_order_info");
                w.yuan("advanced_paid_fee", deposit_fen);
                w.yuan("step_discount_amount", 0);
                let rest = if status == 2 { self.amount_fen() - deposit_fen } else { 0 };
                w.yuan("step_paid_fee", rest);
                w.integer("step_trade_status", status);
                w.close_object();
            }
        }
    }

    fn write_items(&self, w: &mut JsonWriter, ids_as: IdsAs) {
        let as_text = ids_as == IdsAs::String;
        w.open_array("item_list");
        w.open_element();
        w.id("goods_id", self.item.goods_id, as_text);
        w.id("sku_id", self.item.sku_id, as_text);
        w.string("outer_id", &self.item.outer_id);
        w.string("outer_goods_id", &self.item.outer_goods_id);
        w.string("goods_name", &self.item.goods_name);
        w.string("goods_spec", &self.item.spec);
        w.yuan("goods_price", self.item.price_fen);
        w.integer("goods_count", self.quantity);
        w.string("goods_img", &self.item.image_url);
        w.close_object();
        w.close_array();
    }
}

/// Fields of the subset that a virtual order never fills.
const UNUSED_BASIC_FIELDS: &str = r#""cat_id_4":0,"delivery_home_value":0.0,"delivery_install_value":0.0,"discount_amount":0.0,"home_delivery_type":0,"home_install_value":0.0,"platform_discount":0.0,"postage":0.0,"seller_discount":0.0"#;

/// Fields of the Order object that a virtual order never fills.
const UNUSED_FIELDS: &str = r#""cat_id_4":0,"address":"","address_mask":"","bonded_warehouse":"","capital_free_discount":0.0,"city":"","city_id":0,"consolidate_info":null,"country":"中国","country_id":1,"delivery_home_value":0.0,"delivery_install_value":0.0,"delivery_one_day":0,"discount_amount":0.0,"duo_duo_pay_reduction":0.0,"duoduo_wholesale":0,"extra_delivery_list":[],"free_sf":0,"gift_delivery_list":[],"gift_list":[],"group_role":0,"home_delivery_type":0,"home_install_value":0.0,"inner_transaction_id":"","invoice_status":0,"is_pre_sale":0,"is_stock_out":0,"mkt_biz_type":0,"only_support_replace":0,"open_address_id":"","open_address_id_2":"","order_change_amount":0.0,"order_depot_info":null,"order_tag_list":[],"pay_no":"","pay_type":"","platform_discount":0.0,"postage":0.0,"pre_sale_time":"","promise_delivery_time":"","promotion_detail_list":[],"province":"","province_id":0,"receiver_address":"","receiver_address_mask":"","receiver_name":"","receiver_name_mask":"","receiver_phone":"","receiver_phone_mask":"","contact_mobile":"","related_order_list":[],"resend_delivery_list":[],"return_freight_payer":0,"self_contained":0,"seller_discount":0.0,"service_fee_detail":[],"ship_additional_link_order":"","ship_additional_origin_order":"","shipping_type":0,"stock_out_handle_status":-1,"support_nationwide_warranty":0,"town":"","town_id":0,"urge_shipping_time":"","yyps_date":"","yyps_time":"""#;
