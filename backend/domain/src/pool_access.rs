//! Which pools somebody knows of who does not see all shops: a pool is its merchant's, and serves shops.
//!
//! | who | knows a pool |
//! | --- | --- |
//! | sees all shops | always |
//! | is limited to shops | that serves one of them |
//! | a live token | that serves a real shop it sees, or nothing yet |
//! | a test token | that serves a sandbox shop it sees, and no real one: what it puts in never reaches a buyer |

use kamiflow_kernel::PoolId;
use kamiflow_store::card_pools::{self, ServedShop};
use kamiflow_store::{StoreError, TenantTx};

use crate::ctx::Ctx;
use crate::engine::Engine;

/// The pools that an actor knows of.
pub(crate) struct PoolAccess<'a> {
    ctx: &'a Ctx,
    /// None for who sees all shops.
    served: Option<Vec<ServedShop>>,
}

impl<'a> PoolAccess<'a> {
    /// Reads which shops some pools serve, if that matters.
    pub(crate) async fn load(tx: &mut TenantTx, ctx: &'a Ctx, pools: &[PoolId]) -> Result<Self, StoreError> {
        let served = match ctx.shops() {
            Some(_limited) => Some(card_pools::list_served(tx, pools).await?),
            None => None,
        };
        Ok(Self { ctx, served })
    }

    /// Returns whether the actor knows of a pool.
    pub(crate) fn sees(&self, pool: PoolId) -> bool {
        let Some(served) = &self.served else { return true };
        let shops: Vec<&ServedShop> = served.iter().filter(|served| served.pool == pool).collect();
        let caller = self.ctx.api_caller();
        let is_test = caller.is_some_and(|caller| caller.is_test);
        if shops.is_empty() {
            return !is_test && caller.is_some_and(|caller| caller.sees_all);
        }
        let serves_real = shops.iter().any(|served| !served.is_sandbox);
        !(is_test && serves_real) && shops.iter().any(|served| self.ctx.sees(served.shop).is_ok())
    }
}

/// Answers that a pool was not found to an actor who does not know of it, in a transaction of its own.
pub(crate) async fn require(engine: &Engine, ctx: &Ctx, pool: PoolId) -> Result<(), StoreError> {
    if ctx.shops().is_none() {
        return Ok(());
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    check(&mut tx, ctx, pool).await?;
    tx.commit().await
}

/// Answers that a pool was not found to an actor who does not know of it.
pub(crate) async fn check(tx: &mut TenantTx, ctx: &Ctx, pool: PoolId) -> Result<(), StoreError> {
    if ctx.shops().is_none() {
        return card_pools::fetch(tx, pool).await.map(drop);
    }
    let knows = PoolAccess::load(tx, ctx, &[pool]).await?.sees(pool);
    if knows { Ok(()) } else { Err(StoreError::NotFound("card pool")) }
}
