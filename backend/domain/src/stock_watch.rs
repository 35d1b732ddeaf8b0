//! Tells of pools that run low: once for each fall, and again only after there was more.
//!
//! Stock is counted and never kept, so a fall is noticed by looking: a pool remembers since when it is low, the database
//! lists the pools of which that is not true any more, and each is looked at once more under its own row's lock. Sandbox
//! pools are for trying and are not listed.

use kamiflow_kernel::PoolId;
use kamiflow_store::system::{self, AwaitedPool};
use kamiflow_store::{StoreError, card_pools};

use crate::ctx::Ctx;
use crate::engine::Engine;
use crate::notices::{self, Notice};

/// Lists pools to look at, at most `limit`.
///
/// # Errors
/// When the store fails.
pub async fn list_pools(engine: &Engine, limit: i32) -> Result<Vec<AwaitedPool>, StoreError> {
    // Ids only; each is looked at in its merchant's own transaction.
    let mut tx = engine.store.system_tx().await?;
    let pools = system::list_turned_pools(&mut tx, engine.now(), limit).await?;
    tx.commit().await?;
    Ok(pools)
}

/// Looks at a pool, and tells if it has become low; returns whether it did.
///
/// # Errors
/// When the store fails.
pub async fn look(engine: &Engine, ctx: &Ctx, pool: PoolId) -> Result<bool, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let since = card_pools::update_low(&mut tx, pool, ctx.now).await?;
    if let Some(since) = since {
        notices::tell(&mut tx, ctx.now, &Notice::LowStock { pool, since }).await?;
    }
    tx.commit().await?;
    Ok(since.is_some())
}
