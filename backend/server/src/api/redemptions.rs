//! Redemption: found, approved, and uses reported.

use actix_web::HttpResponse;
use kamiflow_domain::approve_redemption::approve as use_case;
use kamiflow_domain::list_redemptions::{ListRedemptions, list_redemptions};
use kamiflow_domain::report_use::{ReportUse, report};
use kamiflow_kernel::{ApiScope, OrderSn, ShopId};

use super::input::{Asked, Body, Caller, Named};
use super::pages;
use super::wire::cards::{Noted, Use};
use super::wire::redemptions::{ListedRedemptionView, RedemptionList, RedemptionQuery};
use crate::problem::Problem;

/// What the address names.
type One = Named<(ShopId, OrderSn)>;

/// Lists redemptions, the newest first
///
/// An order has one for each of its cards' uses. Go on with `next`, and nothing is told twice. What is to be approved is found
/// by `state=awaiting_approval`.
#[utoipa::path(get, path = "/api/v1/redemptions", operation_id = "list_redemptions", tag = "redemptions",
    params(RedemptionQuery), security(("token" = ["orders:read"])),
    responses((status = 200, description = "A page of redemptions", body = RedemptionList)))]
pub(super) async fn list(caller: Caller, query: Asked<RedemptionQuery>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::OrdersRead)?;
    let RedemptionQuery { limit, cursor, shop, state } = query.0;
    let shops = caller.shops(shop)?;
    let after = pages::place(cursor.as_deref())?;
    let request = ListRedemptions { shops: &shops, state, after, limit: pages::limit(limit)? };
    let page = list_redemptions(&caller.product.engine, &caller.ctx, &request).await?;
    let redemptions = page.redemptions.into_iter().map(ListedRedemptionView::from).collect();
    Ok(HttpResponse::Ok().json(RedemptionList { redemptions, next: page.next.map(pages::cursor) }))
}

/// Approves the redemption of an order
///
/// Rules are not asked again; refunds are.
#[utoipa::path(post, path = "/api/v1/shops/{shop}/orders/{order_sn}/redemption/approve",
    operation_id = "approve_redemption", tag = "redemptions",
    params(
        ("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$"),
        ("order_sn" = String, Path, description = "The order's number", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    security(("token" = ["redemptions:write"])), responses((status = 200, description = "It is approved", body = Noted)))]
pub(super) async fn approve(caller: Caller, one: One) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::RedemptionsWrite)?;
    let (shop, order_sn) = one.0;
    let wakes = use_case(&caller.product.engine, &caller.ctx, shop, &order_sn).await?;
    caller.product.waker.wake(caller.ctx.merchant, &wakes).await;
    Ok(HttpResponse::Ok().json(Noted { order_sn }))
}

/// Reports that an order's codes were used
///
/// The rules look at the order again then. A second report changes nothing.
#[utoipa::path(post, path = "/api/v1/shops/{shop}/orders/{order_sn}/uses", operation_id = "report_use",
    tag = "redemptions", request_body = Use,
    params(
        ("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$"),
        ("order_sn" = String, Path, description = "The order's number", pattern = "^[A-Za-z0-9_-]{1,64}$"),
    ),
    security(("token" = ["uses:write"])), responses((status = 200, description = "It is noted", body = Noted)))]
pub(super) async fn report_use(caller: Caller, one: One, body: Body<Use>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::UsesWrite)?;
    let (shop, order_sn) = one.0;
    let request = ReportUse {
        shop,
        order_sn: order_sn.clone(),
        used_at: body.0.used_at.unwrap_or(caller.ctx.now),
        codes: body.0.codes,
    };
    let wakes = report(&caller.product.engine, &caller.ctx, &request).await?;
    caller.product.waker.wake(caller.ctx.merchant, &wakes).await;
    Ok(HttpResponse::Ok().json(Noted { order_sn }))
}
