//! Takes stock that a restore has quarantined back into stock, by a person's decision.

use kamiflow_kernel::PoolId;
use kamiflow_store::restored_shops::stock::{self, RestoredPool};
use kamiflow_store::{StoreError, card_pools, stock_waits};
use serde_json::json;

use crate::acts;
use crate::ctx::Ctx;
use crate::engine::Wake;

/// The request.
#[derive(Debug, Clone, Copy)]
pub struct ReleaseStock {
    /// The pool.
    pub pool: PoolId,
    /// So many uses at the front of the pool, in the order of the claim, stay in quarantine.
    pub keep: i64,
}

/// Returns how many uses at least should stay in quarantine: what reconciling has found wanted since the snapshot, twice,
/// and a batch of each of two workers beside it. None: that count says nothing about this pool.
#[must_use]
pub fn suggested_keep(pool: &RestoredPool) -> Option<i64> {
    (pool.reconciled && !pool.uploads).then(|| pool.wanted_since.saturating_mul(2).saturating_add(100))
}

/// Lists the merchant's pools that hold quarantined stock.
///
/// # Errors
/// When the store fails.
pub async fn list(store: &kamiflow_store::Store, ctx: &Ctx) -> Result<Vec<RestoredPool>, StoreError> {
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    let pools = stock::list(&mut tx).await?;
    tx.commit().await?;
    Ok(pools)
}

/// Releases a pool's stock behind the first `keep` uses; returns how many uses, and whom that wakes.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's pool, or when the store fails.
pub async fn release(
    store: &kamiflow_store::Store,
    ctx: &Ctx,
    request: ReleaseStock,
) -> Result<(usize, Vec<Wake>), StoreError> {
    let mut tx = store.tenant_tx(ctx.merchant).await?;
    card_pools::fetch(&mut tx, request.pool).await?;
    card_pools::lock(&mut tx, &[request.pool]).await?;
    let released = stock::release(&mut tx, request.pool, request.keep, ctx.now).await?;
    let woken = stock_waits::wake(&mut tx, request.pool, ctx.now).await?;
    let detail = json!({ "kept": request.keep, "released": released });
    acts::record(&mut tx, ctx, "stock.release_restored", request.pool, detail).await?;
    tx.commit().await?;
    Ok((released, woken.into_iter().map(Wake::Deliver).collect()))
}
