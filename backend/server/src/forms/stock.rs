//! The forms about pools, SKUs and the address for notices.

mod import;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::ctx::ActError;
use kamiflow_domain::map_sku::MapSkuError;
use kamiflow_domain::notification_address::set_notification_address;
use kamiflow_domain::stock_pages::{create_pool, handle_sku};
use kamiflow_domain::sync_products::{SyncProductsError, sync_products};
use kamiflow_kernel::{DeliveryMethod, EmailAddress, GatewayKind, PoolId, ShopId, SkuId};
use serde::Deserialize;

use super::door::{Desk, Refused};
use super::flash;
use crate::console::gateway_of_mode;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/console/pools", web::post().to(make_pool))
        .configure(import::configure)
        .route("/console/products", web::post().to(handle))
        .route("/console/products/read", web::post().to(read))
        .route("/console/notifications", web::post().to(notifications));
}

impl From<ActError> for Refused {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Denied(denied) => denied.into(),
            ActError::Store(error) => error.into(),
        }
    }
}

/// What the form of a new pool sends.
#[derive(Deserialize)]
struct PoolForm {
    name: String,
    /// What the page was about when it was shown; another tab may look at the other mode by now.
    gateway: Option<GatewayKind>,
    low_stock_at: Option<String>,
}

async fn make_pool(desk: Desk, form: web::Form<PoolForm>) -> HttpResponse {
    let (page, name) = ("/console/pools", form.name.trim());
    let typed = FormOutcome::default().typed("name", name);
    let low_stock_at = match form.low_stock_at.as_deref().map(str::trim) {
        None | Some("") => 0,
        Some(text) => match text.parse() {
            Ok(number) => number,
            Err(_) => return desk.refuse(page, Refused::Field("low_stock_at", "required"), typed),
        },
    };
    let gateway = match form.gateway {
        Some(gateway) => gateway,
        None => match gateway_of_mode(&desk.product, &desk.visitor, &desk.ctx).await {
            Ok(gateway) => gateway,
            Err(error) => return desk.refuse(page, error.into(), typed),
        },
    };
    match create_pool(&desk.product.engine, &desk.ctx, gateway, (name, low_stock_at)).await {
        Ok(pool) => flash::told(&desk.site, &format!("/console/pools/{pool}"), "pools.made"),
        Err(ActError::Store(error)) if error.constraint().is_some() => {
            desk.refuse(page, Refused::Field("name", "pools.name"), typed)
        }
        Err(error) => desk.refuse(page, error.into(), typed),
    }
}

/// What a row of the SKUs sends: `skip`, a method, or a method and a pool with a colon between.
#[derive(Deserialize)]
struct HandlingForm {
    shop: ShopId,
    sku: SkuId,
    handling: String,
}

async fn handle(desk: Desk, form: web::Form<HandlingForm>) -> HttpResponse {
    let page = format!("/console/products?shop={}", form.shop);
    let Some(chosen) = chosen(&form.handling) else {
        return desk.refuse(&page, Refused::Field("", "skus.refused"), FormOutcome::default());
    };
    match handle_sku(&desk.product.engine, &desk.ctx, form.sku, chosen).await {
        Ok(wakes) => {
            desk.product.waker.wake(desk.ctx.merchant, &wakes).await;
            flash::told(&desk.site, &page, "skus.saved")
        }
        Err(error) => {
            let refused = match error {
                MapSkuError::SkuUnknown | MapSkuError::PoolUnknown => Refused::NotFound,
                MapSkuError::Denied(denied) => denied.into(),
                MapSkuError::Store(error) => error.into(),
                MapSkuError::PoolOfOtherPlatform(_) => Refused::Field("", "skus.pool_of_other_mode"),
                _misfit => Refused::Field("", "skus.refused"),
            };
            desk.refuse(&page, refused, FormOutcome::default())
        }
    }
}

/// Returns what was chosen: nothing for `skip`; `None` for what no page offers.
fn chosen(text: &str) -> Option<Option<(DeliveryMethod, Option<PoolId>)>> {
    if text == "skip" {
        return Some(None);
    }
    let (method, pool) = match text.split_once(':') {
        Some((method, pool)) => (method, Some(pool.parse().ok()?)),
        None => (text, None),
    };
    Some(Some((method.parse().ok()?, pool)))
}

/// Which shop.
#[derive(Deserialize)]
struct ShopForm {
    shop: ShopId,
}

async fn read(desk: Desk, form: web::Form<ShopForm>) -> HttpResponse {
    let page = format!("/console/products?shop={}", form.shop);
    if let Err(error) = desk.ctx.sees(form.shop) {
        return desk.refuse(&page, error.into(), FormOutcome::default());
    }
    if let Err(denied) = desk.ctx.require(kamiflow_kernel::Permission::MapSkus) {
        return desk.refuse(&page, denied.into(), FormOutcome::default());
    }
    match sync_products(&desk.product.engine, &desk.ctx, form.shop).await {
        Ok(_read) => flash::told(&desk.site, &page, "products.read"),
        Err(SyncProductsError::Store(error)) => desk.refuse(&page, error.into(), FormOutcome::default()),
        Err(_platform) => desk.refuse(&page, Refused::Field("", "products.unread"), FormOutcome::default()),
    }
}

/// What the form of the address sends.
#[derive(Deserialize)]
struct AddressForm {
    email: String,
}

async fn notifications(desk: Desk, form: web::Form<AddressForm>) -> HttpResponse {
    let page = "/console/notifications";
    let typed = FormOutcome::default().typed("email", &form.email);
    let Ok(address) = form.email.trim().parse::<EmailAddress>() else {
        return desk.refuse(page, Refused::Field("email", "email.invalid"), typed);
    };
    match set_notification_address(&desk.product.engine, &desk.ctx, &address).await {
        Ok(()) => flash::told(&desk.site, page, "notifications.saved"),
        Err(error) => desk.refuse(page, error.into(), typed),
    }
}
