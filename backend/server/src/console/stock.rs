//! `/console/pools`, `/console/products` and `/console/notifications`.

use kamiflow_app::views::stock::{Notifications, Pool, Pools, Products};
use kamiflow_domain::notification_address::find_notification_address;
use kamiflow_domain::pause::{PauseScope, may};
use kamiflow_domain::show_pauses::{Which, show_pauses};
use kamiflow_domain::stock_pages::{PoolSummary, list_batches, list_pools, list_skus};
use kamiflow_kernel::{Permission, PoolId, ShopId};

use super::{Asked, Loaded, Stop, shown};

/// Reads all pools.
pub(super) async fn pools(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let pools = pools_of_mode(asked).await?;
    Ok(shown(Pools { pools, gateway: asked.gateway(), may_manage: asked.ctx.may(Permission::ManageCards) }))
}

/// Reads the pools that shops of the present mode can be served from.
async fn pools_of_mode(asked: &Asked<'_>) -> Result<Vec<PoolSummary>, Stop> {
    let mut pools = list_pools(&asked.product.engine, asked.ctx).await?;
    pools.retain(|pool| pool.gateway == asked.gateway());
    Ok(pools)
}

/// Reads one pool.
pub(super) async fn pool(asked: &Asked<'_>, pool: &str) -> Result<Loaded, Stop> {
    let wanted: PoolId = pool.parse().map_err(|_no_id| Stop::NotFound)?;
    let pools = list_pools(&asked.product.engine, asked.ctx).await?;
    let pool = pools.into_iter().find(|pool| pool.pool == wanted).ok_or(Stop::NotFound)?;
    let may_manage = asked.ctx.may(Permission::ManageCards);
    let scope = PauseScope::Pool(wanted);
    let pauses = show_pauses(&asked.product.engine, asked.ctx, Which::Of(scope), None).await?;
    let batches = match may_manage {
        true => list_batches(&asked.product.engine, asked.ctx, wanted).await?,
        false => Vec::new(),
    };
    Ok(shown(Pool { pool, may_manage, may_pause: may(asked.ctx, scope), pauses, batches }))
}

/// Reads the SKUs of the shop in the query, or of the first one.
pub(super) async fn products(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let shops: Vec<_> = asked.shops().cloned().collect();
    let shop: Option<ShopId> = match asked.query("shop") {
        Some(text) => Some(text.parse().map_err(|_no_id| Stop::NotFound)?),
        None => shops.first().map(|shop| shop.shop),
    };
    let engine = &asked.product.engine;
    let skus = match shop {
        Some(shop) => list_skus(engine, asked.ctx, shop).await?,
        None => Vec::new(),
    };
    let pools = pools_of_mode(asked).await?;
    Ok(shown(Products {
        shops,
        shop,
        skus,
        pools,
        may_map: asked.ctx.may(Permission::MapSkus),
        may_pause: asked.ctx.may(Permission::Pause),
        may_rule: asked.ctx.may(Permission::ManageRules),
    }))
}

/// Reads where notices go.
pub(super) async fn notifications(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let address = find_notification_address(&asked.product.engine, asked.ctx).await?;
    Ok(shown(Notifications {
        address: address.map(|address| address.to_string()),
        may_manage: asked.ctx.may(Permission::ManageIntegrations),
    }))
}
