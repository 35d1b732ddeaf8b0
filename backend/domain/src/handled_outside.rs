//! Orders that somebody else shipped, or put other cards on, and the warning that another tool is at work.

use kamiflow_kernel::{Permission, ReasonCode, ShopId};
use kamiflow_store::{StoreError, exceptions, handled_outside, shops};
use serde_json::json;

pub use kamiflow_store::handled_outside::{HandledOutside, OutsideWarning};

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Orders on the page.
pub const MOST: i64 = 100;

/// Lists a shop's orders that were handled outside, the latest first, at most [`MOST`].
///
/// # Errors
/// When the actor may not look at orders, or the store fails.
pub async fn list_handled_outside(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<Vec<HandledOutside>, ActError> {
    ctx.require(Permission::ShowOrders)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let list = handled_outside::list(&mut tx, shop, MOST).await?;
    tx.commit().await?;
    Ok(list)
}

/// Lists the warnings of shops, as far as the actor sees them; none for who may not look at orders.
///
/// # Errors
/// When the store fails.
pub async fn list_warnings(engine: &Engine, ctx: &Ctx, shops: &[ShopId]) -> Result<Vec<OutsideWarning>, StoreError> {
    let shops: Vec<ShopId> = shops.iter().copied().filter(|shop| ctx.sees(*shop).is_ok()).collect();
    if shops.is_empty() || !ctx.may(Permission::ShowOrders) {
        return Ok(Vec::new());
    }
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let warnings = handled_outside::list_warnings(&tx, &shops).await?;
    tx.commit().await?;
    Ok(warnings)
}

/// Resolves a shop's warning: a person has seen to it. Should it go on, it warns again. Where somebody else has resolved it
/// nothing happens.
///
/// # Errors
/// When the actor may not handle orders; [`StoreError::NotFound`] for another merchant's shop.
pub async fn resolve_warning(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<(), ActError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // Of two who resolve it at once one does.
    shops::lock(&mut tx, shop).await?;
    let Some(warned) = handled_outside::list_warnings(&tx, &[shop]).await?.pop() else { return Ok(()) };
    exceptions::resolve(&tx, shop, &[""], &[ReasonCode::AnotherToolAtWork], "seen to").await?;
    acts::record(&mut tx, ctx, "shop.outside_resolve", shop, json!({ "orders": warned.orders })).await?;
    Ok(tx.commit().await?)
}
