//! Orders, and what is done with one.

use chrono::{DateTime, Utc};
use kamiflow_domain::list_orders::ListedOrder;
use kamiflow_domain::reveal_cards::RevealedCards;
use kamiflow_domain::show_order::OrderView;
use kamiflow_kernel::{OrderId, OrderSn, OrderState, ReasonCode, ShopId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

/// Which orders, and which page of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct OrderQuery {
    /// Entries of the page, at most; 50 without.
    #[param(minimum = 1, maximum = 50, nullable = false)]
    pub(crate) limit: Option<usize>,
    /// `next` of the page before; the first page without.
    #[param(nullable = false, pattern = "^[A-Za-z0-9_-]+$", max_length = 200)]
    pub(crate) cursor: Option<String>,
    /// Only orders of this shop.
    #[param(value_type = String, required = false, nullable = false, pattern = "^shop_[0-9a-f]{32}$")]
    pub(crate) shop: Option<ShopId>,
    /// Only orders in this state. A page may have fewer entries then, and still a next one.
    #[param(value_type = State, inline, required = false, nullable = false)]
    pub(crate) state: Option<OrderState>,
    /// Only orders of this number; each of several shops may have one.
    #[param(value_type = String, required = false, nullable = false, pattern = "^[A-Za-z0-9_-]{1,64}$")]
    pub(crate) order_sn: Option<OrderSn>,
}

/// Where an order is.
#[derive(Debug, ToSchema)]
#[schema(rename_all = "snake_case")]
#[expect(dead_code, reason = "the document's list of what the kernel's enum says; a test compares them")]
pub(crate) enum State {
    /// Not decided yet.
    Seen,
    /// Not ours to deliver.
    Skipped,
    /// Paid before the shop went live: sent only when a person asks.
    HeldBacklog,
    /// Waits for stock.
    AwaitingCards,
    /// Cards are claimed, nothing has left us.
    Reserved,
    /// An attempt has started.
    HandingOver,
    /// The platform acknowledged the hand-over.
    Delivered,
    /// Delivered, and redemption is to be done.
    AwaitingRedemption,
    /// Every line is redeemed.
    Redeemed,
    /// Nothing more to do.
    Done,
    /// Shipped by somebody else before we started.
    ShippedElsewhere,
    /// Refunded.
    ClosedRefunded,
    /// Cancelled before delivery.
    ClosedCancelled,
}

/// An order in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ListedOrderView {
    /// Its id.
    #[schema(value_type = String, pattern = "^ord_[0-9a-f]{32}$")]
    id: OrderId,
    /// Its shop.
    #[schema(value_type = String, pattern = "^shop_[0-9a-f]{32}$")]
    shop: ShopId,
    /// Its number on the platform: shop and number address it.
    #[schema(example = "261122-100000000000017")]
    order_sn: String,
    /// Where it is; see the filter `state` of the list.
    #[schema(example = "delivered")]
    state: String,
    /// What brought it there.
    state_cause: String,
    /// The product's name.
    goods_name: String,
    /// The SKU's name.
    goods_spec: String,
    /// How many were bought.
    #[schema(minimum = 0)]
    quantity: i32,
    /// What was paid, in fen.
    paid_fen: i64,
    /// When it was paid.
    paid_at: Option<DateTime<Utc>>,
    /// The latest shipping time.
    last_ship_at: Option<DateTime<Utc>>,
    /// When it was delivered.
    delivered_at: Option<DateTime<Utc>>,
    /// When it was seen; the list's order.
    seen_at: DateTime<Utc>,
    /// The reason that is open about it and says most, if one is.
    open_reason: Option<String>,
    /// Whether that waits for a person.
    needs_person: bool,
}

impl From<ListedOrder> for ListedOrderView {
    fn from(order: ListedOrder) -> Self {
        Self {
            id: OrderId::from_uuid(order.id),
            shop: order.shop_id,
            order_sn: order.order_sn,
            state: order.state,
            state_cause: order.state_cause,
            goods_name: order.goods_name,
            goods_spec: order.goods_spec,
            quantity: order.goods_count,
            paid_fen: order.pay_amount_fen,
            paid_at: order.paid_at,
            last_ship_at: order.last_ship_at,
            delivered_at: order.delivered_at,
            seen_at: order.seen_at,
            open_reason: order.open_code,
            needs_person: order.needs_person,
        }
    }
}

/// A page of orders.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OrderList {
    /// The orders, the newest first.
    pub(crate) orders: Vec<ListedOrderView>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// An order with all that belongs to it. Cards are masked, nothing of the buyer is told.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Order {
    /// Its id.
    #[schema(value_type = String, pattern = "^ord_[0-9a-f]{32}$")]
    id: OrderId,
    /// Its shop.
    #[schema(value_type = String, pattern = "^shop_[0-9a-f]{32}$")]
    shop: ShopId,
    /// Its number on the platform.
    order_sn: String,
    /// Where it is.
    state: String,
    /// What brought it there.
    state_cause: String,
    /// Whether it is ours to deliver, and why.
    verdict: String,
    /// Whether its delivery is paused.
    is_paused: bool,
    /// The product's name.
    goods_name: String,
    /// The SKU's name.
    goods_spec: String,
    /// How many were bought.
    #[schema(minimum = 0)]
    quantity: i32,
    /// What was paid, in fen.
    paid_fen: i64,
    /// When it was paid.
    paid_at: Option<DateTime<Utc>>,
    /// The latest shipping time.
    last_ship_at: Option<DateTime<Utc>>,
    /// When the platform was read last about it.
    read_at: DateTime<Utc>,
    /// Its delivery, if it is ours to deliver.
    delivery: Option<Delivery>,
    /// Its redemptions.
    redemptions: Vec<Redemption>,
    /// What is open about it.
    exceptions: Vec<OpenException>,
    /// What happened, oldest first.
    events: Vec<Event>,
}

/// A delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Delivery {
    /// Where it is.
    #[schema(example = "delivered")]
    state: String,
    /// How it is handed over.
    #[schema(example = "voucher_send")]
    method: String,
    /// When it is looked at again; null: not by itself.
    due_at: Option<DateTime<Utc>>,
    /// When it was delivered.
    delivered_at: Option<DateTime<Utc>>,
    /// What the buyer gets: the number of each card, masked; null for a line without a card of ours.
    cards: Vec<Option<String>>,
    /// How often it was tried.
    attempts: usize,
}

/// A redemption of one line.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Redemption {
    /// Where it is.
    #[schema(example = "waiting")]
    state: String,
    /// How it is declared.
    #[schema(example = "report_card")]
    method: String,
    /// When it is looked at again.
    due_at: Option<DateTime<Utc>>,
    /// When it was done.
    done_at: Option<DateTime<Utc>>,
    /// What it waits for, or why it ended, as sentences in `zh` and `en`.
    #[schema(value_type = Value)]
    explanation: Value,
}

/// Something open about an order.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OpenException {
    /// Why.
    #[schema(example = "out_of_stock")]
    reason: String,
    /// Whether the order stands still until it is resolved.
    is_blocking: bool,
    /// Whether only a person can go on.
    needs_person: bool,
    /// What may be done without risk.
    safe: Vec<&'static str>,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Event {
    /// When.
    at: DateTime<Utc>,
    /// What.
    #[schema(example = "delivered")]
    kind: String,
    /// Particulars; no card's contents.
    #[schema(value_type = Value)]
    detail: Value,
}

impl From<OrderView> for Order {
    fn from(view: OrderView) -> Self {
        let delivery = view.delivery.map(|delivery| Delivery {
            state: delivery.state,
            method: delivery.method,
            due_at: delivery.due_at,
            delivered_at: delivery.delivered_at,
            cards: delivery.lines.into_iter().map(|line| line.card).collect(),
            attempts: delivery.attempts.len(),
        });
        let redemptions = view.redemptions.into_iter().map(|line| Redemption {
            state: line.state,
            method: line.method,
            due_at: line.due_at,
            done_at: line.done_at,
            explanation: line.explanation,
        });
        let exceptions = view.exceptions.into_iter().map(|open| OpenException {
            reason: open.code,
            is_blocking: open.blocking,
            needs_person: open.needs_review,
            safe: open.safe,
        });
        let events =
            view.events.into_iter().map(|event| Event { at: event.at, kind: event.kind, detail: event.detail });
        Self {
            id: view.order,
            shop: view.shop,
            order_sn: view.order_sn,
            state: view.state,
            state_cause: view.state_cause,
            verdict: view.verdict,
            is_paused: view.paused,
            goods_name: view.item.name,
            goods_spec: view.item.spec,
            quantity: view.item.quantity,
            paid_fen: view.item.paid_fen,
            paid_at: view.platform.paid_at,
            last_ship_at: view.platform.last_ship_at,
            read_at: view.platform.read_at,
            delivery,
            redemptions: redemptions.collect(),
            exceptions: exceptions.collect(),
            events: events.collect(),
        }
    }
}

/// An order that was let be tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Retried {
    /// The reasons that were closed.
    #[schema(value_type = Vec<String>)]
    pub(crate) closed: Vec<ReasonCode>,
}

/// The cards of one order, in clear.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Revealed {
    /// By line.
    cards: Vec<RevealedCard>,
    /// How many orders' cards the token's maker may look at today, with tokens and in the console together.
    left_today: u32,
}

/// A card in clear. There is no `Debug` of it.
#[derive(Serialize, ToSchema)]
pub(crate) struct RevealedCard {
    /// The line of the delivery, from 1.
    #[schema(minimum = 1)]
    line: i32,
    /// Its number.
    number: String,
    /// Its secret, if it has one.
    secret: Option<String>,
}

impl std::fmt::Debug for RevealedCard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RevealedCard({})", self.line)
    }
}

impl From<RevealedCards> for Revealed {
    fn from(revealed: RevealedCards) -> Self {
        let cards = revealed.cards.into_iter().map(|card| RevealedCard {
            line: card.line_no,
            number: card.number.expose().to_owned(),
            secret: card.secret.map(|secret| secret.expose().to_owned()),
        });
        Self { cards: cards.collect(), left_today: revealed.reveals.left() }
    }
}

#[cfg(test)]
mod tests {
    use utoipa::PartialSchema as _;

    use super::*;

    #[test]
    fn the_document_knows_every_state_of_an_order() {
        let schema = serde_json::to_value(State::schema()).unwrap();
        let listed: Vec<&str> = schema["enum"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(listed, OrderState::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>());
    }
}
