//! `/console/orders` and `/console/shops/{shop}/orders/{order_sn}`.

use chrono::{DateTime, Utc};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::reveal_cards::{RevealedCards, Reveals};
use kamiflow_domain::show_order::OrderView;
use kamiflow_kernel::OrderSn;

/// One order.
#[derive(Debug)]
pub struct OrderPage {
    /// Its shop.
    pub shop: ShopSummary,
    /// Its number, as the address says.
    pub order_sn: OrderSn,
    /// The order; none while it is not known.
    pub order: Option<OrderView>,
    /// When it was looked at.
    pub now: DateTime<Utc>,
    /// After how many seconds the page looks again, while something moves by itself.
    pub refresh_after: Option<u32>,
    /// Whether the member may retry it or give it up.
    pub may_handle: bool,
    /// How much the member has looked at today; none for who may look at no card.
    pub reveals: Option<Reveals>,
}

/// The cards of one order, in clear: shown once.
#[derive(Debug)]
pub struct RevealedPage {
    /// Its shop.
    pub shop: ShopSummary,
    /// Its number.
    pub order_sn: OrderSn,
    /// The cards.
    pub revealed: RevealedCards,
}
