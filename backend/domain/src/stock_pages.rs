//! Pools and SKUs, as lists show them, and the making of pools.

use kamiflow_kernel::{
    BatchId, CardId, DeliveryMethod, GatewayKind, Permission, PoolId, RedemptionMethod, ShopId, SkuId,
};
use kamiflow_store::card_pools::{self, NewPool, PoolRow, StockCount};
pub use kamiflow_store::cards::{BatchRow, CardRow};
use kamiflow_store::products::{self, Handling};
use kamiflow_store::{StoreError, TenantTx, cards};
use serde_json::json;

use crate::acts;
use crate::compat;
use crate::ctx::{ActError, Ctx};
use crate::engine::{Engine, Wake};
use crate::map_sku::{MapSku, MapSkuError, map_sku};
use crate::pool_access::{self, PoolAccess};

/// Pools of one merchant; nobody has as many.
const MOST_POOLS: i64 = 500;
/// Batches that a pool's page shows.
const MOST_BATCHES: i64 = 50;
/// SKUs that a page shows.
const MOST_SKUS: i64 = 1_000;

/// A pool with what is in it.
#[derive(Debug, Clone)]
pub struct PoolSummary {
    /// Its id.
    pub pool: PoolId,
    /// Its name.
    pub name: String,
    /// Shops of which platform it serves.
    pub gateway: GatewayKind,
    /// Below so many available cards the merchant is warned.
    pub low_stock_at: i32,
    /// What is in it.
    pub stock: StockCount,
    /// Whether more than what is available may be told: what was taken out says what other shops sell.
    pub is_whole: bool,
}

/// A SKU and what is done with its orders.
#[derive(Debug, Clone)]
pub struct SkuSummary {
    /// Its id.
    pub sku: SkuId,
    /// The product's name.
    pub goods: String,
    /// The SKU's name.
    pub spec: String,
    /// Whether it is on sale.
    pub on_sale: bool,
    /// `skip`, or how it is handed over; `None` while nobody has decided.
    pub method: Option<String>,
    /// The ways that fit the kind of goods.
    pub possible: Vec<DeliveryMethod>,
}

/// Lists the pools that the actor sees with their stock, oldest first: who is limited to shops sees what serves them.
///
/// # Errors
/// When the actor may not see stock, or the store fails.
pub async fn list_pools(engine: &Engine, ctx: &Ctx) -> Result<Vec<PoolSummary>, ActError> {
    ctx.require(Permission::ShowStock)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = card_pools::list(&mut tx, None, MOST_POOLS).await?;
    let ids: Vec<PoolId> = rows.iter().map(|row| row.id).collect();
    let access = PoolAccess::load(&mut tx, ctx, &ids).await?;
    let mut pools = Vec::new();
    for row in rows.into_iter().filter(|row| access.sees(row.id)) {
        pools.push(summary(&mut tx, ctx, row).await?);
    }
    tx.commit().await?;
    Ok(pools)
}

async fn summary(tx: &mut TenantTx, ctx: &Ctx, row: PoolRow) -> Result<PoolSummary, StoreError> {
    let stock = card_pools::count_stock(tx, row.id, ctx.now).await?;
    let is_whole = ctx.shops().is_none() || ctx.api_caller().is_some_and(|caller| caller.sees_all);
    Ok(PoolSummary {
        pool: row.id,
        name: row.name,
        gateway: row.gateway,
        low_stock_at: row.low_stock_at,
        stock,
        is_whole,
    })
}

/// Shows one pool with its stock.
///
/// # Errors
/// When the actor may not see stock; [`StoreError::NotFound`] for a pool that the actor does not see.
pub async fn show_pool(engine: &Engine, ctx: &Ctx, pool: PoolId) -> Result<PoolSummary, ActError> {
    ctx.require(Permission::ShowStock)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    pool_access::check(&mut tx, ctx, pool).await?;
    let row = card_pools::fetch(&mut tx, pool).await?;
    let shown = summary(&mut tx, ctx, row).await?;
    tx.commit().await?;
    Ok(shown)
}

/// Lists the cards of one import after a cursor, oldest first, their numbers masked; of a pool that other shops share those
/// only that went to orders the actor sees.
///
/// # Errors
/// When the actor may not see stock; [`StoreError::NotFound`] for a batch of a pool that the actor does not see.
pub async fn list_cards(
    engine: &Engine,
    ctx: &Ctx,
    batch: BatchId,
    after: Option<CardId>,
    limit: usize,
) -> Result<Vec<CardRow>, ActError> {
    ctx.require(Permission::ShowStock)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let pool = cards::fetch_batch(&mut tx, batch).await?.pool;
    pool_access::check(&mut tx, ctx, pool).await?;
    let shops = pool_access::shops_of_cards(&mut tx, ctx, pool).await?;
    let page = (after, i64::try_from(limit).unwrap_or(i64::MAX));
    let rows = cards::list_of_batch(&mut tx, batch, page, shops.as_deref()).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Lists a pool's latest batches, the newest first.
///
/// # Errors
/// When the actor may not manage cards, or the store fails.
pub async fn list_batches(engine: &Engine, ctx: &Ctx, pool: PoolId) -> Result<Vec<BatchRow>, ActError> {
    ctx.require(Permission::ManageCards)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let batches = cards::list_batches(&mut tx, pool, MOST_BATCHES).await?;
    tx.commit().await?;
    Ok(batches)
}

/// Makes an empty pool for shops of one platform.
///
/// # Errors
/// When the actor may not, or the store fails; constraints refuse a name that is taken, empty or too long.
pub async fn create_pool(
    engine: &Engine,
    ctx: &Ctx,
    gateway: GatewayKind,
    (name, low_stock_at): (&str, i32),
) -> Result<PoolId, ActError> {
    ctx.require(Permission::ManageCards)?;
    let id = PoolId::generate();
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    card_pools::insert(&mut tx, &NewPool { id, name, gateway, min_validity_s: 0, low_stock_at }).await?;
    acts::record(&mut tx, ctx, "cards.pool_create", id, json!({ "name": name, "gateway": gateway })).await?;
    tx.commit().await?;
    Ok(id)
}

/// Lists the SKUs of a shop with what is done with their orders.
///
/// # Errors
/// When the actor may not see products or the shop, or the store fails.
pub async fn list_skus(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<Vec<SkuSummary>, ActError> {
    ctx.require(Permission::ShowProducts)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = products::list_skus(&mut tx, shop, None, MOST_SKUS).await?;
    tx.commit().await?;
    Ok(rows
        .into_iter()
        .map(|row| SkuSummary {
            sku: row.id,
            possible: possible(row.goods_type, row.delivery_type),
            goods: row.goods_name,
            spec: row.spec,
            on_sale: row.on_sale,
            method: row.delivery_method,
        })
        .collect())
}

fn possible(goods_type: Option<i32>, delivery_type: Option<i32>) -> Vec<DeliveryMethod> {
    let fits = |method: &DeliveryMethod| compat::allowed(goods_type, delivery_type, *method).is_ok();
    DeliveryMethod::ALL.iter().copied().filter(fits).collect()
}

/// Says how orders of a SKU are handed over; `None` leaves them alone. How they are declared used follows from the goods:
/// nothing where that is possible, else the only way there is.
///
/// # Errors
/// What [`map_sku`] says.
pub async fn handle_sku(
    engine: &Engine,
    ctx: &Ctx,
    sku: SkuId,
    chosen: Option<(DeliveryMethod, Option<PoolId>)>,
) -> Result<Vec<Wake>, MapSkuError> {
    let Some((method, pool)) = chosen else {
        return map_sku(engine, ctx, &MapSku { sku, handling: Handling::Skip, settings: json!({}) }).await;
    };
    ctx.require(Permission::MapSkus)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = products::fetch_sku(&mut tx, sku).await.map_err(|error| match error {
        StoreError::NotFound(_) => MapSkuError::SkuUnknown,
        other => other.into(),
    })?;
    tx.commit().await?;
    ctx.sees(row.shop).map_err(|_hidden| MapSkuError::SkuUnknown)?;
    let ways = compat::allowed(row.goods_type, row.delivery_type, method)?.redemption;
    let is_none = |way: &&compat::Redemption| way.method == RedemptionMethod::None;
    let redemption =
        ways.iter().find(is_none).or_else(|| ways.first()).map_or(RedemptionMethod::None, |way| way.method);
    let handling = Handling::Deliver { method, pool, redemption, cards_per_unit: 1 };
    map_sku(engine, ctx, &MapSku { sku, handling, settings: json!({}) }).await
}
