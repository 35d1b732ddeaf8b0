//! `/console/orders` and `/console/shops/{shop}/orders/{order_sn}`.

use chrono::{DateTime, Utc};
use kamiflow_domain::list_orders::{self, Cursor, Wanted};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::reveal_cards::{RevealedCards, Reveals};
use kamiflow_domain::show_order::OrderView;
use kamiflow_kernel::{OrderSn, OrderState, ShopId};

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

/// A tab of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OrderTab {
    /// Every order.
    All,
    /// Paid, not sent yet.
    Waiting,
    /// Being handed over.
    Sending,
    /// The buyer has it.
    Delivered,
    /// Declared used.
    Redeemed,
    /// A person decides.
    NeedPerson,
    /// Over without a delivery.
    Closed,
}

impl OrderTab {
    /// Every tab, in their order.
    pub const ALL: [Self; 7] =
        [Self::All, Self::Waiting, Self::Sending, Self::Delivered, Self::Redeemed, Self::NeedPerson, Self::Closed];

    /// Returns the tab's name in an address; the first has none.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        match self {
            Self::All => None,
            Self::Waiting => Some("waiting"),
            Self::Sending => Some("sending"),
            Self::Delivered => Some("delivered"),
            Self::Redeemed => Some("redeemed"),
            Self::NeedPerson => Some("person"),
            Self::Closed => Some("closed"),
        }
    }

    /// Returns which orders it shows.
    #[must_use]
    pub const fn wanted(self) -> Wanted {
        use OrderState as S;
        match self {
            Self::All => Wanted::All,
            Self::Waiting => Wanted::In(&[S::Seen, S::HeldBacklog, S::AwaitingCards]),
            Self::Sending => Wanted::In(&[S::Reserved, S::HandingOver]),
            Self::Delivered => Wanted::In(&[S::Delivered, S::AwaitingRedemption, S::Done]),
            Self::Redeemed => Wanted::In(&[S::Redeemed]),
            Self::NeedPerson => Wanted::NeedPerson,
            Self::Closed => Wanted::In(&[S::Skipped, S::ShippedElsewhere, S::ClosedRefunded, S::ClosedCancelled]),
        }
    }

    /// Returns the tab's address without a filter.
    #[must_use]
    pub fn bare(self) -> String {
        self.name().map_or_else(|| ORDERS.to_owned(), |name| format!("{ORDERS}?state={name}"))
    }
}

/// The list's path.
const ORDERS: &str = "/console/orders";

/// A page of the list.
#[derive(Debug)]
pub struct Orders {
    /// The shops that are looked at: of the present mode, of those the member sees.
    pub shops: Vec<ShopSummary>,
    /// The one shop that was chosen.
    pub shop: Option<ShopId>,
    /// The tab.
    pub tab: OrderTab,
    /// The number that was typed.
    pub q: String,
    /// Whether that can be no order number.
    pub is_bad_number: bool,
    /// Whether newer orders stand in front of the page.
    pub is_later: bool,
    /// The orders.
    pub listed: list_orders::OrderPage,
    /// When it was looked at.
    pub now: DateTime<Utc>,
}

impl Orders {
    /// Returns the address of a tab with the same shop, behind a place.
    #[must_use]
    pub fn address(&self, tab: OrderTab, after: Option<Cursor>) -> String {
        let shop = self.shop.map(|shop| ("shop", shop.to_string()));
        let state = tab.name().map(|name| ("state", name.to_owned()));
        let after = after.map(|cursor| ("after", cursor.to_string()));
        let parts: Vec<String> =
            [state, shop, after].into_iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
        if parts.is_empty() { ORDERS.to_owned() } else { format!("{ORDERS}?{}", parts.join("&")) }
    }
}
