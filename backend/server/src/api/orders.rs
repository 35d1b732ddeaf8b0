//! Orders: found, shown, tried again, and their cards revealed.

use actix_web::HttpResponse;
use kamiflow_domain::list_orders::{Cursor, ListOrders, Wanted, list_orders};
use kamiflow_domain::reveal_cards::reveal_cards;
use kamiflow_domain::{retry_order, show_order};
use kamiflow_kernel::{ApiScope, OrderSn, OrderState, ShopId};

use super::errors::not_found;
use super::input::{Asked, Caller, Named};
use super::pages;
use super::wire::orders::{ListedOrderView, Order, OrderList, OrderQuery, Retried, Revealed};
use crate::problem::Problem;

/// What the address names.
type One = Named<(ShopId, OrderSn)>;

/// Lists orders, the newest first
///
/// A page that was read does not change while orders arrive: go on with `next`, and nothing is told twice or left out.
#[utoipa::path(get, path = "/api/v1/orders", operation_id = "list_orders", tag = "orders", params(OrderQuery),
    security(("token" = ["orders:read"])), responses((status = 200, description = "A page of orders", body = OrderList)))]
pub(super) async fn list(caller: Caller, query: Asked<OrderQuery>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::OrdersRead)?;
    let query = query.0;
    let shops = caller.shops(query.shop)?;
    let wanted = wanted(query.state, query.order_sn);
    let request = ListOrders {
        shops: &shops,
        wanted: &wanted,
        after: pages::place::<Cursor>(query.cursor.as_deref())?,
        limit: pages::limit(query.limit)?,
    };
    let page = list_orders(&caller.product.engine, &caller.ctx, &request).await?;
    let orders = page.orders.into_iter().map(ListedOrderView::from).collect();
    Ok(HttpResponse::Ok().json(OrderList { orders, next: page.next.map(pages::cursor) }))
}

fn wanted(state: Option<OrderState>, order_sn: Option<OrderSn>) -> Wanted {
    let state = state.and_then(|state| OrderState::ALL.iter().find(|known| **known == state));
    match (order_sn, state) {
        (Some(order_sn), _) => Wanted::Number(order_sn),
        (None, Some(state)) => Wanted::In(std::slice::from_ref(state)),
        (None, None) => Wanted::All,
    }
}

/// Shows one order with its delivery, redemptions and events
#[utoipa::path(get, path = "/api/v1/shops/{shop}/orders/{order_sn}", operation_id = "show_order", tag = "orders",
    params(
        ("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$"),
        ("order_sn" = String, Path, description = "The order's number", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    security(("token" = ["orders:read"])), responses((status = 200, description = "The order", body = Order)))]
pub(super) async fn show(caller: Caller, one: One) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::OrdersRead)?;
    let (shop, order_sn) = one.0;
    let order = show_order::show(&caller.product.engine, &caller.ctx, shop, &order_sn).await?;
    Ok(HttpResponse::Ok().json(Order::from(order.ok_or_else(not_found)?)))
}

/// Lets an order be tried again
///
/// Closes what a retry may close. What forbids one, such as an unknown outcome, refuses it with 409.
#[utoipa::path(post, path = "/api/v1/shops/{shop}/orders/{order_sn}/retry", operation_id = "retry_order", tag = "orders",
    params(
        ("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$"),
        ("order_sn" = String, Path, description = "The order's number", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    security(("token" = ["orders:write"])), responses((status = 200, description = "It is tried again", body = Retried)))]
pub(super) async fn retry(caller: Caller, one: One) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::OrdersWrite)?;
    let (shop, order_sn) = one.0;
    let retried = retry_order::retry(&caller.product.engine, &caller.ctx, shop, &order_sn).await?;
    caller.product.waker.wake(caller.ctx.merchant, &retried.wakes).await;
    Ok(HttpResponse::Ok().json(Retried { closed: retried.closed }))
}

/// Shows the cards of an order, in clear
///
/// Each time is written down, and counts towards the daily quota of the token's maker. It takes no Idempotency-Key: the
/// answer is kept nowhere.
#[utoipa::path(post, path = "/api/v1/shops/{shop}/orders/{order_sn}/cards/reveal", operation_id = "reveal_cards",
    tag = "orders",
    params(
        ("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$"),
        ("order_sn" = String, Path, description = "The order's number", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    security(("token" = ["cards:reveal"])), responses((status = 200, description = "The cards", body = Revealed)))]
pub(super) async fn reveal(caller: Caller, one: One) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::CardsReveal)?;
    let (shop, order_sn) = one.0;
    let revealed = reveal_cards(&caller.product.engine, &caller.ctx, shop, &order_sn).await?;
    Ok(HttpResponse::Ok().json(Revealed::from(revealed)))
}
