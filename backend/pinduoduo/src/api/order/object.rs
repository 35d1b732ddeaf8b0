//! The order object (protocol 3.8), reduced to what deciding, delivering and explaining need.
//!
//! Receiver, address, phone, memo and payment fields are not declared here, so they are skipped while
//! reading and never exist in this program's memory as fields.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Fen, GoodsId, OrderSn, PlatformSkuId};
use serde::Deserialize;

use crate::wire::{self, CipherText};

/// An order as the platform tells it. Absent fields are `None`: the basic list has fewer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Order {
    /// The number.
    pub order_sn: OrderSn,
    /// 1 to ship, 2 shipped, 3 received.
    #[serde(default, deserialize_with = "wire::int")]
    pub order_status: Option<i64>,
    /// 1 none or closed, 2 in progress, 3 refunding, 4 refunded.
    #[serde(default, deserialize_with = "wire::int")]
    pub refund_status: Option<i64>,
    /// 0 not made, 1 made, 2 cancelled.
    #[serde(default, deserialize_with = "wire::int")]
    pub confirm_status: Option<i64>,
    /// 0 forming, 1 formed, 2 failed.
    #[serde(default, deserialize_with = "wire::int")]
    pub group_status: Option<i64>,
    /// 0 normal, 1 under review: do not ship.
    #[serde(default, deserialize_with = "wire::int")]
    pub risk_control_status: Option<i64>,
    /// See protocol 3.1.
    #[serde(default, deserialize_with = "wire::int")]
    pub after_sales_status: Option<i64>,
    /// 0 normal, 1 deposit.
    #[serde(default, deserialize_with = "wire::int")]
    pub trade_type: Option<i64>,
    /// 0 normal, 1 shopping among colleagues.
    #[serde(default, deserialize_with = "wire::int")]
    pub mkt_biz_type: Option<i64>,
    /// 1 not a lottery order, 2 lottery order.
    #[serde(default, deserialize_with = "wire::int")]
    pub is_lucky_flag: Option<i64>,
    /// 1 sold ahead.
    #[serde(default, deserialize_with = "wire::int")]
    pub is_pre_sale: Option<i64>,
    /// -1 none, 0 pending, 1 handled.
    #[serde(default, deserialize_with = "wire::int")]
    pub stock_out_handle_status: Option<i64>,
    /// Only deposit orders have it.
    #[serde(default)]
    pub step_order_info: Option<StepOrder>,

    /// When the order was made.
    #[serde(default, deserialize_with = "wire::time")]
    pub created_time: Option<DateTime<Utc>>,
    /// When it was paid.
    #[serde(default, deserialize_with = "wire::time")]
    pub pay_time: Option<DateTime<Utc>>,
    /// When the deal was made.
    #[serde(default, deserialize_with = "wire::time")]
    pub confirm_time: Option<DateTime<Utc>>,
    /// The promised latest shipping time.
    #[serde(default, deserialize_with = "wire::time")]
    pub last_ship_time: Option<DateTime<Utc>>,
    /// When it was shipped.
    #[serde(default, deserialize_with = "wire::time")]
    pub shipping_time: Option<DateTime<Utc>>,
    /// When the buyer confirmed receipt.
    #[serde(default, deserialize_with = "wire::time")]
    pub receive_time: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "wire::time")]
    pub updated_at: Option<DateTime<Utc>>,

    /// Unit price times count, less price changes.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub goods_amount: Option<Fen>,
    /// All discounts.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub discount_amount: Option<Fen>,
    /// The platform's part of the discounts.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub platform_discount: Option<Fen>,
    /// The seller's part of the discounts.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub seller_discount: Option<Fen>,
    /// The group leader's part of the discounts.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub capital_free_discount: Option<Fen>,
    /// The seller's price change.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub order_change_amount: Option<Fen>,
    /// Postage.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub postage: Option<Fen>,
    /// What the buyer paid.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub pay_amount: Option<Fen>,

    /// Category, level 1.
    #[serde(default, deserialize_with = "wire::int")]
    pub cat_id_1: Option<i64>,
    /// Category, level 2.
    #[serde(default, deserialize_with = "wire::int")]
    pub cat_id_2: Option<i64>,
    /// Category, level 3.
    #[serde(default, deserialize_with = "wire::int")]
    pub cat_id_3: Option<i64>,
    /// Category, level 4; 0 when there is none.
    #[serde(default, deserialize_with = "wire::int")]
    pub cat_id_4: Option<i64>,
    /// The carrier; 999 was seen on shipped virtual orders.
    #[serde(default, deserialize_with = "wire::int")]
    pub logistics_id: Option<i64>,
    /// The lines; one SKU per order in practice.
    #[serde(default, deserialize_with = "wire::list")]
    pub item_list: Vec<Item>,
    /// The cards the platform handed out.
    #[serde(default, deserialize_with = "wire::list")]
    pub card_info_list: Vec<Card>,
    /// Tags.
    #[serde(default, deserialize_with = "wire::list")]
    pub order_tag_list: Vec<Tag>,
}

/// The payments of a deposit order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct StepOrder {
    /// 0 nothing paid, 1 deposit paid, 2 all paid.
    #[serde(default, deserialize_with = "wire::int")]
    pub step_trade_status: Option<i64>,
    /// The deposit.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub advanced_paid_fee: Option<Fen>,
    /// The rest.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub step_paid_fee: Option<Fen>,
    /// What the deposit is worth beyond itself.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub step_discount_amount: Option<Fen>,
}

/// A line of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Item {
    /// The product.
    #[serde(default, deserialize_with = "wire::goods_id")]
    pub goods_id: Option<GoodsId>,
    /// The SKU.
    #[serde(default, deserialize_with = "wire::sku_id")]
    pub sku_id: Option<PlatformSkuId>,
    /// The merchant's code of the SKU when the order was made.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_id: Option<String>,
    /// The merchant's code of the product when the order was made.
    #[serde(default, deserialize_with = "wire::text")]
    pub outer_goods_id: Option<String>,
    /// The product's name.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_name: Option<String>,
    /// The SKU's values, separated by commas.
    #[serde(default, deserialize_with = "wire::text")]
    pub goods_spec: Option<String>,
    /// The unit price.
    #[serde(default, deserialize_with = "wire::yuan")]
    pub goods_price: Option<Fen>,
    /// How many.
    #[serde(default, deserialize_with = "wire::int")]
    pub goods_count: Option<i64>,
}

/// A card the platform handed out, encrypted.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Card {
    /// The number, decrypt type 2.
    #[serde(default, deserialize_with = "wire::cipher")]
    pub card_no: Option<CipherText>,
    /// The password, decrypt type 1.
    #[serde(default, deserialize_with = "wire::cipher")]
    pub mask_password: Option<CipherText>,
}

/// A tag of an order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Tag {
    /// The tag's key.
    #[serde(default, deserialize_with = "wire::text")]
    pub name: Option<String>,
    /// 0 or 1.
    #[serde(default, deserialize_with = "wire::int")]
    pub value: Option<i64>,
}
