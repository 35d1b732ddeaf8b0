//! `/console`.

use kamiflow_app::views::overview::Overview;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::{Permission, ShopState};

use super::{Asked, Loaded, shown};

/// Shows the first page of the console. Sandbox shops are offered until the merchant has shops of her own.
pub(super) fn load(asked: &Asked<'_>) -> Loaded {
    let offers_sandbox = asked.product.sandbox.is_some() && (asked.is_test || asked.shops.is_empty());
    let is_connected = |shop: &&ShopSummary| shop.state != ShopState::Disconnected;
    shown(Overview {
        shops: asked.shops().cloned().collect(),
        sandbox: asked.shops.iter().filter(|shop| shop.is_sandbox()).find(is_connected).map(|shop| shop.shop),
        offers_sandbox,
        may_connect: asked.ctx.may(Permission::ManageShops),
    })
}
