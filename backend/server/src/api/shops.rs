//! Shops.

use actix_web::HttpResponse;
use kamiflow_domain::list_shops::list_shops;
use kamiflow_domain::show_shop::show_shop;
use kamiflow_kernel::{ApiScope, ShopId};

use super::input::{Asked, Caller, Named};
use super::pages;
use super::wire::PageQuery;
use super::wire::shops::{Shop, ShopDetail, ShopList};
use crate::problem::Problem;

/// Lists the shops that the token sees, the oldest connection first
#[utoipa::path(get, path = "/api/v1/shops", operation_id = "list_shops", tag = "shops", params(PageQuery),
    security(("token" = ["shops:read"])), responses((status = 200, description = "A page of shops", body = ShopList)))]
pub(super) async fn list(caller: Caller, query: Asked<PageQuery>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::ShopsRead)?;
    let shops = list_shops(&caller.product.engine, &caller.ctx).await?;
    let (shops, next) = pages::cut(shops, |shop| shop.shop, (query.0.limit, query.0.cursor.as_deref()))?;
    Ok(HttpResponse::Ok().json(ShopList { shops: shops.into_iter().map(Shop::from).collect(), next }))
}

/// Shows one shop and how its connection does
#[utoipa::path(get, path = "/api/v1/shops/{shop}", operation_id = "show_shop", tag = "shops",
    params(("shop" = String, Path, description = "The shop's id", pattern = "^shop_[0-9a-f]{32}$")),
    security(("token" = ["shops:read"])), responses((status = 200, description = "The shop", body = ShopDetail)))]
pub(super) async fn show(caller: Caller, shop: Named<ShopId>) -> Result<HttpResponse, Problem> {
    caller.needs(ApiScope::ShopsRead)?;
    let shop = show_shop(&caller.product.engine, &caller.ctx, shop.0).await?;
    Ok(HttpResponse::Ok().json(ShopDetail::from(shop)))
}
