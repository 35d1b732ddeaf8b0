//! `/console`.

use kamiflow_app::views::overview::Overview;
use kamiflow_domain::connection_take_over::{TakeOverRow, list_take_overs};
use kamiflow_domain::handled_outside::list_warnings;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::show_dashboard::show_dashboard;
use kamiflow_domain::verification::{VerificationView, show_verification};
use kamiflow_kernel::{Permission, ShopId, ShopState};

use super::{Asked, Loaded, Stop, shown};

/// Shows the first page of the console. Sandbox shops are offered until the merchant has shops of her own.
pub(super) async fn load(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let offers_sandbox = asked.product.sandbox.is_some() && (asked.is_test || asked.shops.is_empty());
    let is_connected = |shop: &&ShopSummary| shop.state != ShopState::Disconnected;
    let looked_at: Vec<ShopId> = asked.shops().map(|shop| shop.shop).collect();
    let figures = match !looked_at.is_empty() && asked.ctx.may(Permission::ShowOrders) {
        true => Some(show_dashboard(&asked.product.engine, asked.ctx, &looked_at).await?),
        false => None,
    };
    let engine = &asked.product.engine;
    let take_overs = match asked.ctx.may(Permission::ManageShops) {
        true => list_take_overs(engine, asked.ctx).await?,
        false => Vec::new(),
    };
    let name_of = |row: &TakeOverRow| asked.shops().find(|shop| shop.shop == row.shop).map(|shop| shop.name.clone());
    Ok(shown(Overview {
        outside: list_warnings(engine, asked.ctx, &looked_at).await?,
        wanted: take_overs.iter().filter_map(name_of).collect(),
        figures,
        verification: unverified(asked).await?,
        shops: asked.shops().cloned().collect(),
        sandbox: asked.shops.iter().filter(|shop| shop.is_sandbox()).find(is_connected).map(|shop| shop.shop),
        offers_sandbox,
        may_connect: asked.ctx.may(Permission::ManageShops),
    }))
}

/// Returns where the identity is, where its approval would let a real shop go live.
async fn unverified(asked: &Asked<'_>) -> Result<Option<VerificationView>, Stop> {
    let gains = |shop: &ShopSummary| !shop.is_sandbox() && shop.state != ShopState::Disconnected;
    if asked.is_test || !asked.ctx.may(Permission::Verify) || !asked.shops().any(gains) {
        return Ok(None);
    }
    let view = show_verification(&asked.product.engine, asked.ctx).await?;
    Ok((!view.may_go_live).then_some(view))
}
