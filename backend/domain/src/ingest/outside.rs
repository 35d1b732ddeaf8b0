//! Orders that somebody else has handled: shipped, or with cards that are not ours. They are never ours to deliver any
//! more, and several within an hour say that another tool works on the same mall.

use chrono::TimeDelta;
use kamiflow_kernel::{DeliveryMethod, OrderState, ReasonCode, ShopId};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::handled_outside::{self, HandledOutside};
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::{StoreError, TenantTx};
use serde_json::json;

use super::{Decision, Item, Read};
use crate::compat::{self, Kind, VirtualReason};
use crate::marketplace::PlatformOrder;
use crate::notices::{self, Notice};

/// So many within an hour are no slip of somebody's hand.
const ANOTHER_TOOL: i64 = 3;
const WITHIN: TimeDelta = TimeDelta::hours(1);
const FOREIGN_CARDS: &str = "carries cards that are not ours";

/// Whether the platform shows a code on the order.
pub(super) fn carries_cards(order: &PlatformOrder) -> bool {
    order.cards.iter().any(|card| !card.number_cipher.is_empty())
}

/// Takes an order out of our hands that carries cards before we sent any. Where the platform hands out codes by itself
/// they are no sign of anybody.
pub(super) fn take_out(item: &mut Item, sku: Option<&SkuFacts>) {
    let undelivered = [OrderState::Seen, OrderState::HeldBacklog, OrderState::AwaitingCards];
    let before_us = undelivered.iter().any(|state| state.as_str() == item.row.state);
    let open = matches!(
        item.decision,
        Decision::Stay | Decision::Deliver | Decision::Wait(_) | Decision::Ask(_) | Decision::HoldBacklog
    );
    if !(item.carries_cards && before_us && open && cards_are_ours_to_send(sku)) {
        return;
    }
    item.decision = Decision::ShippedElsewhere;
    item.decision.write_state(&mut item.row);
    FOREIGN_CARDS.clone_into(&mut item.row.verdict);
}

fn cards_are_ours_to_send(sku: Option<&SkuFacts>) -> bool {
    let Some(sku) = sku else { return false };
    match sku.delivery_method.as_deref().and_then(|method| method.parse().ok()) {
        Some(DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) => false,
        Some(DeliveryMethod::VoucherSend | DeliveryMethod::PickupPage | DeliveryMethod::ChargeNotify) => true,
        None => matches!(
            compat::classify(sku.goods_type, sku.delivery_type),
            Kind::Virtual(VirtualReason::NoLogistics | VirtualReason::DirectCharge)
        ),
    }
}

/// Notes what was handled outside, and warns when another tool seems to be at work.
pub(super) async fn note(tx: &mut TenantTx, shop: ShopId, items: &[Item], read: Read) -> Result<(), StoreError> {
    let end = OrderState::ShippedElsewhere.as_str();
    let news: Vec<HandledOutside> = items
        .iter()
        .filter(|item| item.row.state == end && item.before.as_ref().is_none_or(|before| before.state != end))
        .map(|item| HandledOutside {
            order_sn: item.row.order_sn.clone(),
            cause: if item.row.verdict == FOREIGN_CARDS { "foreign_cards" } else { "shipped" }.to_owned(),
            at: item.row.shipped_at.unwrap_or(item.row.updated_at),
        })
        .collect();
    if handled_outside::insert(tx, shop, &news).await? == 0 {
        return Ok(());
    }
    let count = handled_outside::count_since(tx, shop, read.started - WITHIN).await?;
    if count < ANOTHER_TOOL {
        return Ok(());
    }
    let exception = NewException {
        shop,
        order: None,
        code: ReasonCode::AnotherToolAtWork,
        needs_review: true,
        detail: json!({ "orders": count }),
    };
    if exceptions::open(tx, &[exception]).await? > 0 {
        notices::tell(tx, read.started, &Notice::AnotherToolAtWork { shop, orders: count }).await?;
    }
    Ok(())
}
