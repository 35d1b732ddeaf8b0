//! `/console/shops/…`: the shops, and what each would send.

use kamiflow_app::views::shops::{Disconnection, Outside, SecretExchange, ShopList, ShopPage, TakeOver, Trial};
use kamiflow_domain::connection_take_over::{TakeOverRow, list_take_overs};
use kamiflow_domain::connection_tokens::list_token_lives;
use kamiflow_domain::handled_outside::{list_handled_outside, list_warnings};
use kamiflow_domain::preflight::{Freshness, preflight};
use kamiflow_domain::show_shop::show_shop;
use kamiflow_domain::trial_run::{MOST_ON_PAGE, TrialRunPage, list_trial_orders};
use kamiflow_domain::verification::show_verification;
use kamiflow_kernel::{GatewayKind, OrderId, Permission, ShopId, ShopState};

use super::{Asked, Loaded, Stop, shown};

/// What can be done on a shop's page.
const ACTS: [Permission; 4] =
    [Permission::Pause, Permission::ManageShops, Permission::GoLive, Permission::HandleOrders];

/// Lists the shops of the present mode.
pub(super) async fn list(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let lives = list_token_lives(&asked.product.engine, asked.ctx).await?;
    let take_overs = match asked.ctx.may(Permission::ManageShops) {
        true => list_take_overs(&asked.product.engine, asked.ctx).await?,
        false => Vec::new(),
    };
    let named = |row: TakeOverRow| {
        let shop = asked.shops.iter().find(|shop| shop.shop == row.shop);
        let shop = shop.map(|shop| shop.name.clone()).unwrap_or_default();
        let waiting = lives.iter().find(|life| life.shop == row.shop).map_or(0, |life| life.waiting);
        TakeOver { waiting, request: row.id, asked_by: row.asked_by_name, shop, asked_at: row.asked_at }
    };
    Ok(shown(ShopList {
        take_overs: take_overs.into_iter().map(named).collect(),
        shops: asked.shops().cloned().collect(),
        lives,
        may_connect: asked.ctx.may(Permission::ManageShops),
        offers_sandbox: asked.product.sandbox.is_some(),
        now: asked.ctx.now,
    }))
}

/// Shows one shop, and looks whether it will deliver.
pub(super) async fn show(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    let id = parsed(shop)?;
    let engine = &asked.product.engine;
    let shop = show_shop(engine, asked.ctx, id).await?;
    let preflight = match shop.summary.state {
        ShopState::Disconnected => None,
        ShopState::Live | ShopState::TrialRun | ShopState::Stopped => {
            Some(preflight(engine, asked.ctx, id, Freshness::Lately).await?)
        }
    };
    let may = ACTS.into_iter().filter(|permission| asked.ctx.may(*permission)).collect();
    let outside = list_warnings(engine, asked.ctx, &[id]).await?.pop();
    Ok(shown(ShopPage { shop, preflight, outside, may, now: asked.ctx.now }))
}

/// Shows which orders of a shop were handled outside.
pub(super) async fn outside(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    let id = parsed(shop)?;
    let engine = &asked.product.engine;
    let orders = list_handled_outside(engine, asked.ctx, id).await?;
    Ok(shown(Outside {
        shop: asked.shops.iter().find(|known| known.shop == id).cloned().ok_or(Stop::NotFound)?,
        orders,
        warning: list_warnings(engine, asked.ctx, &[id]).await?.pop(),
        may_resolve: asked.ctx.may(Permission::HandleOrders),
    }))
}

/// Shows what a shop would send.
pub(super) async fn trial(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    let id = parsed(shop)?;
    let engine = &asked.product.engine;
    let shop = asked.shops.iter().find(|known| known.shop == id).cloned().ok_or(Stop::NotFound)?;
    let after = match asked.query("after") {
        None => None,
        Some(text) => Some(text.parse::<OrderId>().map_err(|_text| Stop::NotFound)?),
    };
    let orders = match shop.state {
        ShopState::Disconnected => Vec::new(),
        _ => list_trial_orders(engine, asked.ctx, TrialRunPage { shop: id, after }).await?,
    };
    let is_full = i64::try_from(orders.len()).is_ok_and(|shown| shown >= MOST_ON_PAGE);
    // A full page may be the last one; one more look tells.
    let next = match orders.last().map(|order| order.id) {
        Some(last) if is_full => {
            let behind = TrialRunPage { shop: id, after: Some(last) };
            let more = list_trial_orders(engine, asked.ctx, behind).await?;
            (!more.is_empty()).then_some(last)
        }
        Some(_) | None => None,
    };
    let is_asked = shop.gateway == GatewayKind::Production && asked.ctx.may(Permission::Verify);
    let verification = if is_asked { Some(show_verification(engine, asked.ctx).await?) } else { None };
    Ok(shown(Trial {
        shop,
        outside: list_warnings(engine, asked.ctx, &[id]).await?.pop(),
        orders,
        is_first: after.is_none(),
        next,
        verification,
        may_go_live: asked.ctx.may(Permission::GoLive),
        now: asked.ctx.now,
    }))
}

/// Asks whether a shop is to be disconnected.
pub(super) async fn disconnection(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::ManageShops)?;
    let shop = show_shop(&asked.product.engine, asked.ctx, parsed(shop)?).await?;
    if shop.summary.state == ShopState::Disconnected { Err(Stop::NotFound) } else { Ok(shown(Disconnection { shop })) }
}

/// Asks for a new secret of a shop's own application; what the operator hosts has none to enter.
pub(super) async fn keys(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::ManageShops)?;
    let shop = show_shop(&asked.product.engine, asked.ctx, parsed(shop)?).await?;
    if shop.application.is_hosted || shop.summary.state == ShopState::Disconnected {
        return Err(Stop::Elsewhere(format!("/console/shops/{}", shop.summary.shop)));
    }
    Ok(shown(SecretExchange { shop }))
}

/// Returns the id in an address; any other text is an address that is not there.
pub(super) fn parsed(shop: &str) -> Result<ShopId, Stop> {
    shop.parse().map_err(|_text| Stop::NotFound)
}
