//! `/console/orders` and the page of one order.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_app::views::orders::OrderPage;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::reveal_cards::count_reveals;
use kamiflow_domain::show_order::{self, OrderView};
use kamiflow_kernel::{OrderSn, OrderState, Permission, ShopId, ShopState};

use super::{Asked, Loaded, Stop, shown};

/// While something moves by itself.
const SOON: u32 = 1;
/// While it may take long: stock, a person elsewhere, a rule's delay.
const LATER: u32 = 30;
/// An order that has not moved for so long is looked at less often.
const FRESH: TimeDelta = TimeDelta::minutes(10);

/// Shows one order; one that is not known yet is waited for.
pub(super) async fn one(asked: &Asked<'_>, shop: &str, order_sn: &str) -> Result<Loaded, Stop> {
    let (Ok(shop), Ok(order_sn)) = (shop.parse::<ShopId>(), order_sn.parse::<OrderSn>()) else {
        return Err(Stop::NotFound);
    };
    let shop = asked.shops.iter().find(|known| known.shop == shop).ok_or(Stop::NotFound)?.clone();
    let engine = &asked.product.engine;
    let order = show_order::show(engine, asked.ctx, shop.shop, &order_sn).await?;
    let now = asked.ctx.now;
    let refresh_after = match &order {
        Some(order) => refresh_after(order, &shop, now),
        None => is_of_these_days(&order_sn, now).then_some(SOON),
    };
    let reveals = match asked.ctx.may(Permission::RevealCards) {
        true => Some(count_reveals(engine, asked.ctx).await?),
        false => None,
    };
    let may_handle = asked.ctx.may(Permission::HandleOrders);
    Ok(shown(OrderPage { shop, order_sn, order, now, refresh_after, may_handle, reveals }))
}

/// Whether a message about an order of this number may still be on its way.
fn is_of_these_days(order_sn: &OrderSn, now: DateTime<Utc>) -> bool {
    let today = now.date_naive();
    order_sn.day().is_some_and(|day| (day - today).num_days().abs() <= 1)
}

/// Returns when the page looks again: not when it is over, or a person decides.
fn refresh_after(order: &OrderView, shop: &ShopSummary, now: DateTime<Utc>) -> Option<u32> {
    let state: OrderState = order.state.parse().ok()?;
    let needs_person = order.exceptions.iter().any(|open| open.needs_review || open.blocking);
    if state.is_end() || needs_person || state == OrderState::HeldBacklog {
        return None;
    }
    let moves =
        matches!(state, OrderState::Seen | OrderState::Reserved | OrderState::HandingOver | OrderState::Delivered);
    let stands_still = order.paused || order.shop_standing.is_some() || shop.state != ShopState::Live;
    let is_fresh = now - order.platform.read_at < FRESH;
    Some(if moves && is_fresh && !stands_still { SOON } else { LATER })
}
