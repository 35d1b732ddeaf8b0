//! `/console/orders` and the page of one order.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_app::views::orders::{OrderPage, OrderTab, Orders};
use kamiflow_domain::list_orders::{Cursor, ListOrders, PAGE, Wanted, list_orders};
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

/// Returns when the page looks again: not when the buyer has the cards, it is over, or a person decides.
fn refresh_after(order: &OrderView, shop: &ShopSummary, now: DateTime<Utc>) -> Option<u32> {
    let state: OrderState = order.state.parse().ok()?;
    let needs_person = order.exceptions.iter().any(|open| open.needs_review || open.blocking);
    if state.is_end() || needs_person || matches!(state, OrderState::HeldBacklog | OrderState::Delivered) {
        return None;
    }
    let moves = matches!(state, OrderState::Seen | OrderState::Reserved | OrderState::HandingOver);
    let stands_still = order.paused || order.shop_standing.is_some() || shop.state != ShopState::Live;
    let is_fresh = now - order.platform.read_at < FRESH;
    Some(if moves && is_fresh && !stands_still { SOON } else { LATER })
}

/// Shows a page of orders: of the shops of the present mode, filtered by what the address says.
pub(super) async fn list(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let shops: Vec<ShopSummary> = asked.shops().cloned().collect();
    let shop = match asked.query("shop") {
        Some(text) => Some(text.parse::<ShopId>().map_err(|_no_id| Stop::NotFound)?),
        None => None,
    };
    // Another merchant's shop, and one that the member does not see, are not there.
    if shop.is_some_and(|shop| !asked.shops.iter().any(|known| known.shop == shop)) {
        return Err(Stop::NotFound);
    }
    let tab = tab(asked);
    let q = asked.query("q").unwrap_or_default().trim().to_owned();
    let number = if q.is_empty() { None } else { Some(q.parse::<OrderSn>()) };
    let after = asked.query("after").and_then(|text| text.parse::<Cursor>().ok());
    let looked_at: Vec<ShopId> = match shop {
        Some(shop) => vec![shop],
        None => shops.iter().map(|shop| shop.shop).collect(),
    };
    let (engine, ctx) = (&asked.product.engine, asked.ctx);
    let (wanted, is_bad_number) = match number {
        Some(Ok(order_sn)) => (Wanted::Number(order_sn), false),
        Some(Err(_bad)) => (Wanted::All, true),
        None => (tab.wanted(), false),
    };
    let looked_at = if is_bad_number { Vec::new() } else { looked_at };
    let request = ListOrders { shops: &looked_at, wanted: &wanted, after, limit: PAGE };
    let listed = list_orders(engine, ctx, &request).await?;
    let is_later = after.is_some();
    Ok(shown(Orders { shops, shop, tab, q, is_bad_number, is_later, listed, now: ctx.now }))
}

fn tab(asked: &Asked<'_>) -> OrderTab {
    let name = asked.query("state");
    OrderTab::ALL.into_iter().find(|tab| tab.name() == name).unwrap_or(OrderTab::All)
}
