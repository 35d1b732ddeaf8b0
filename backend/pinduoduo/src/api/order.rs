//! Orders (protocol 3).

use chrono::{DateTime, Utc};
use kamiflow_kernel::OrderSn;
use serde::Deserialize;

pub use object::{Card, Item, Order, StepOrder, Tag};

use crate::api::{ApiMeta, InBand, api};
use crate::params::Params;
use crate::wire::{self, Listing};

mod object;

/// Query value of `order_status` and `refund_status` for "all".
pub const ALL: i64 = 5;

/// `pdd.order.list.get`: orders by deal time, spans of at most 24 h, at most 90 days back.
#[derive(Debug, Clone, Copy)]
pub struct OrderListGet {
    /// Start of the span, deal time.
    pub from: DateTime<Utc>,
    /// End of the span.
    pub until: DateTime<Utc>,
    /// Which page.
    pub page: Page,
    /// 1 to ship, 2 shipped, 3 received, [`ALL`].
    pub order_status: i64,
    /// 1 to 4, [`ALL`].
    pub refund_status: i64,
}

/// `pdd.order.basic.list.get`: as [`OrderListGet`], without buyer data and cards.
#[derive(Debug, Clone, Copy)]
pub struct OrderBasicListGet(pub OrderListGet);

/// `pdd.order.number.list.increment.get`: orders by update time, newest first, spans of at most 30 minutes.
///
/// Page from the last page to the first: pages shift towards the end while orders change.
#[derive(Debug, Clone, Copy)]
pub struct OrderIncrementGet {
    /// Start of the span, update time.
    pub from: DateTime<Utc>,
    /// End of the span; the platform asks to stay at least 3 minutes behind its clock.
    pub until: DateTime<Utc>,
    /// Which page.
    pub page: Page,
    /// 1 to ship, 2 shipped, 3 received, [`ALL`].
    pub order_status: i64,
    /// 1 to 4, [`ALL`].
    pub refund_status: i64,
}

/// A page of a list, counted from 1, at most 100 entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Number of the page.
    pub number: u32,
    /// Entries per page.
    pub size: u32,
    /// What the answer says about the rest of the list.
    pub rest: Rest,
}

/// How an answer tells how much more there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// `total_count`, dearer for the platform.
    Count,
    /// `has_next`.
    HasNext,
}

impl Page {
    fn params(self, params: &mut Params) {
        params.number("page", self.number).number("page_size", self.size);
        params.flag("use_has_next", self.rest == Rest::HasNext);
    }
}

/// A page of orders.
#[derive(Debug, Clone, Deserialize)]
pub struct OrderPage {
    /// How many there are in all, asked for with [`Rest::Count`].
    #[serde(default, deserialize_with = "wire::int")]
    pub total_count: Option<i64>,
    /// Whether there is a further page, asked for with [`Rest::HasNext`].
    #[serde(default, deserialize_with = "wire::flag")]
    pub has_next: Option<bool>,
    /// The orders, and those of them that cannot be read.
    #[serde(default, alias = "order_list", alias = "order_sn_list", deserialize_with = "wire::each")]
    pub orders: Listing<Order>,
}

/// `pdd.order.information.get`: one order. Unknown or foreign: [`crate::CallError::is_unknown_order`].
#[derive(Debug, Clone)]
pub struct OrderInformationGet {
    /// The order.
    pub order_sn: OrderSn,
}

/// The answer of [`OrderInformationGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct OrderInformation {
    /// The order.
    pub order_info: Order,
}

/// `pdd.order.status.get`: the states of several orders.
#[derive(Debug, Clone)]
pub struct OrderStatusGet {
    /// The orders.
    pub order_sns: Vec<OrderSn>,
}

/// The answer of [`OrderStatusGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct OrderStatuses {
    /// One entry per order that is known.
    #[serde(default, deserialize_with = "wire::list")]
    pub order_status_list: Vec<OrderStatus>,
}

/// The states of one order.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct OrderStatus {
    /// The order; this one API writes it in camel case.
    #[serde(rename = "orderSn", alias = "order_sn")]
    pub order_sn: OrderSn,
    /// 1 to ship, 2 shipped, 3 received, 0 abnormal.
    #[serde(default, deserialize_with = "wire::int")]
    pub order_status: Option<i64>,
    /// 1 none, 2 in progress, 3 refunding, 4 refunded, 0 abnormal.
    #[serde(default, deserialize_with = "wire::int")]
    pub refund_status: Option<i64>,
}

/// `pdd.order.note.update`: replaces the seller's note.
#[derive(Debug, Clone)]
pub struct OrderNoteUpdate {
    /// The order.
    pub order_sn: OrderSn,
    /// The note.
    pub note: String,
    /// The flag beside it; number and name go together or not at all.
    pub tag: Option<NoteTag>,
}

/// The colored flag of a note.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteTag {
    /// 1 red, 2 yellow, 3 green, 4 blue, 5 purple.
    pub color: u8,
    /// At most three characters.
    pub name: String,
}

/// The answer of [`OrderNoteUpdate`].
#[derive(Debug, Clone, Deserialize)]
pub struct NoteUpdated {
    #[serde(default, deserialize_with = "wire::flag")]
    success: Option<bool>,
    #[serde(default, deserialize_with = "wire::int")]
    error_code: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    error_msg: Option<String>,
}

impl OrderListGet {
    fn write(&self, params: &mut Params) {
        params.number("start_confirm_at", self.from.timestamp()).number("end_confirm_at", self.until.timestamp());
        params.number("order_status", self.order_status).number("refund_status", self.refund_status);
        self.page.params(params);
    }
}

api!(OrderListGet => ApiMeta::read("pdd.order.list.get", "order_list_get_response"), OrderPage,
    |this, params| { this.write(params); });
api!(OrderBasicListGet => ApiMeta::read("pdd.order.basic.list.get", "order_basic_list_get_response"), OrderPage,
    |this, params| { this.0.write(params); });
api!(OrderIncrementGet => ApiMeta::read("pdd.order.number.list.increment.get", "order_sn_increment_get_response"),
OrderPage, |this, params| {
    params.number("start_updated_at", this.from.timestamp()).number("end_updated_at", this.until.timestamp());
    params.number("order_status", this.order_status).number("refund_status", this.refund_status);
    params.number("is_lucky_flag", 0);
    this.page.params(params);
});
api!(OrderInformationGet => ApiMeta::read("pdd.order.information.get", "order_info_get_response"), OrderInformation,
    |this, params| { params.text("order_sn", this.order_sn.as_str()); });
api!(OrderStatusGet => ApiMeta::read("pdd.order.status.get", "order_status_get_response"), OrderStatuses,
    |this, params| { params.text("order_sns", &comma_separated(&this.order_sns)); });
api!(OrderNoteUpdate => ApiMeta::write("pdd.order.note.update", "response"), NoteUpdated, |this, params| {
        params.text("order_sn", this.order_sn.as_str()).text("note", &this.note);
        if let Some(tag) = &this.tag {
            params.number("tag", tag.color).text("tag_name", &tag.name);
        }
    },
    in_band |answer: &NoteUpdated| InBand::flag(answer.success, answer.error_code, answer.error_msg.as_deref()));

pub(crate) fn comma_separated(order_sns: &[OrderSn]) -> String {
    order_sns.iter().map(OrderSn::as_str).collect::<Vec<_>>().join(",")
}
