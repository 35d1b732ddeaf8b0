//! Answers requests for malls that this merchant has connected; and disconnects shops.

use kamiflow_kernel::{Permission, ShopId, ShopState, TakeOverId};
use kamiflow_store::shops::ShopChange;
use kamiflow_store::{StoreError, TenantTx, pauses, shops, take_overs};
use serde_json::json;

pub use kamiflow_store::take_overs::TakeOverRow;

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::notices::{self, Notice};

const MOST: i64 = 100;

/// What the merchant says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The shop is disconnected, and its mall can be connected by whoever its owner authorizes.
    Release,
    /// It stays.
    Refuse,
}

/// Lists requests that wait for an answer.
///
/// # Errors
/// When the actor may not manage shops, or the store fails.
pub async fn list_take_overs(engine: &Engine, ctx: &Ctx) -> Result<Vec<TakeOverRow>, ActError> {
    ctx.require(Permission::ManageShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let open = take_overs::list_open(&mut tx, MOST).await?;
    tx.commit().await?;
    Ok(open)
}

/// Answers a request; one that was answered stays as it is.
///
/// # Errors
/// When the actor may not manage shops or letting a mall go needs a fresh proof; [`StoreError::NotFound`] for a request
/// that is another merchant's or was answered.
pub async fn answer_take_over(engine: &Engine, ctx: &Ctx, request: TakeOverId, answer: Answer) -> Result<(), ActError> {
    ctx.require(Permission::ManageShops)?;
    if answer == Answer::Release {
        ctx.require_sudo()?;
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let (name, action) = match answer {
        Answer::Release => ("released", "take_over.release"),
        Answer::Refuse => ("refused", "take_over.refuse"),
    };
    if answer == Answer::Release {
        pauses::lock(&mut tx).await?;
    }
    let shop = take_overs::update_answered(&mut tx, request, name, ctx.now).await?;
    let shop = shop.ok_or(StoreError::NotFound("take-over"))?;
    acts::record(&mut tx, ctx, action, request, json!({ "shop": shop })).await?;
    if answer == Answer::Release {
        disconnect(&mut tx, ctx, shop).await?;
    }
    Ok(tx.commit().await?)
}

/// Disconnects a shop: no work is begun for it any more, and its history stays. What was handed over and has no outcome
/// yet keeps its cards.
///
/// # Errors
/// When the actor may not manage shops or a fresh proof is needed; [`StoreError::NotFound`] for another merchant's shop, or
/// one that is disconnected.
pub async fn disconnect_shop(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<(), ActError> {
    ctx.require(Permission::ManageShops)?;
    ctx.sees(shop)?;
    ctx.require_sudo()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // No hand-over starts behind it.
    pauses::lock(&mut tx).await?;
    disconnect(&mut tx, ctx, shop).await?;
    Ok(tx.commit().await?)
}

async fn disconnect(tx: &mut TenantTx, ctx: &Ctx, shop: ShopId) -> Result<(), StoreError> {
    let row = shops::lock(tx, shop).await?;
    if row.state == ShopState::Disconnected {
        return Err(StoreError::NotFound("shop"));
    }
    shops::update_state(tx, shop, &ShopChange::Disconnect).await?;
    let detail = json!({
        "before": { "state": row.state, "stop_reason": row.stop_reason },
        "after": { "state": ShopState::Disconnected },
        "mall": row.mall_id,
    });
    notices::tell(tx, ctx.now, &Notice::ShopDisconnected { shop }).await?;
    acts::record(tx, ctx, "shop.disconnect", shop, detail).await
}
