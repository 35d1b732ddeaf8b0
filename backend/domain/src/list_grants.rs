//! Which APIs a shop may call, of all that one may need.

use kamiflow_kernel::{Permission, ShopId};
use kamiflow_store::{StoreError, applications, shops, token_lives};

use crate::connection_routes::{ApiGrant, grants};
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Lists the APIs, in the order of [`crate::connection_routes::NEEDED`].
///
/// # Errors
/// When the actor may not look at shops; [`StoreError::NotFound`] for a shop that is not connected or not seen.
pub async fn list_grants(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<Vec<ApiGrant>, ActError> {
    ctx.require(Permission::ShowShops)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = shops::fetch(&mut tx, shop).await?;
    let denied = applications::fetch(&mut tx, row.application).await?.denied_apis;
    let life = token_lives::list(&mut tx, Some(shop), 1).await?.pop().ok_or(StoreError::NotFound("shop"))?;
    tx.commit().await?;
    Ok(grants(&life.scopes, &denied))
}
