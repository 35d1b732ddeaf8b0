//! Which pools somebody knows of who does not see all shops: a pool is its merchant's, and serves shops.
//!
//! | who | knows a pool |
//! | --- | --- |
//! | sees all shops | always |
//! | is limited to shops | that serves one of them |
//! | a live token | for real shops, that serves one it sees, or nothing yet |
//! | a test token | for sandbox shops, that serves one it sees, or nothing yet: what it puts in never reaches a buyer |
//!
//! A pool is for shops of one platform from its making (`card_pools_gateway_stays`, `sku_mappings_pool_of_its_gateway`),
//! so a token's cards stay in its own world whatever is done with the pool later.

use kamiflow_kernel::{GatewayKind, PoolId, ShopId, ShopScope};
use kamiflow_store::card_pools::{self, ServedShop};
use kamiflow_store::{StoreError, TenantTx};

use crate::ctx::Ctx;
use crate::engine::Engine;

/// The pools that an actor knows of.
pub(crate) struct PoolAccess<'a> {
    ctx: &'a Ctx,
    /// None for who sees all shops.
    served: Option<Vec<ServedShop>>,
    /// The pools for shops of the token's world; none for who is no token.
    of_world: Option<Vec<PoolId>>,
}

impl<'a> PoolAccess<'a> {
    /// Reads which shops some pools serve, if that matters.
    pub(crate) async fn load(tx: &mut TenantTx, ctx: &'a Ctx, pools: &[PoolId]) -> Result<Self, StoreError> {
        let served = match ctx.shops() {
            Some(_limited) => Some(card_pools::list_served(tx, pools).await?),
            None => None,
        };
        let of_world = match ctx.api_caller() {
            Some(caller) => Some(card_pools::list_of_gateway(tx, pools, world(caller.is_test)).await?),
            None => None,
        };
        Ok(Self { ctx, served, of_world })
    }

    /// Returns whether the actor knows of a pool.
    pub(crate) fn sees(&self, pool: PoolId) -> bool {
        let Some(served) = &self.served else { return true };
        if self.of_world.as_ref().is_some_and(|pools| !pools.contains(&pool)) {
            return false;
        }
        let mut shops = served.iter().filter(|served| served.pool == pool).peekable();
        if shops.peek().is_none() {
            return self.ctx.api_caller().is_some_and(|caller| caller.sees_all);
        }
        shops.any(|served| self.ctx.sees(served.shop).is_ok())
    }
}

/// Returns the shops whose orders' cards an actor sees of a pool: all without a list. A pool that serves no other shops is
/// seen whole, and of one that shops share whoever is limited sees what went to her own.
pub(crate) async fn shops_of_cards(
    tx: &mut TenantTx,
    ctx: &Ctx,
    pool: PoolId,
) -> Result<Option<Vec<ShopId>>, StoreError> {
    let Some(ShopScope::Only(own)) = ctx.shops() else { return Ok(None) };
    if ctx.api_caller().is_some_and(|caller| caller.sees_all) {
        return Ok(None);
    }
    let served = card_pools::list_served(tx, &[pool]).await?;
    let is_shared = served.iter().any(|served| !own.contains(&served.shop));
    Ok(is_shared.then(|| own.iter().copied().collect()))
}

const fn world(is_test: bool) -> GatewayKind {
    if is_test { GatewayKind::Sandbox } else { GatewayKind::Production }
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
