//! A person asks for an order to be read again now; what it says is then dealt with like any other news.

use kamiflow_kernel::{OrderSn, Permission, ShopId};
use kamiflow_store::order_hints::{self, HintSource, NewHints};
use kamiflow_store::shops;
use kamiflow_store::{StoreError, TenantTx};
use serde_json::json;

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::{Engine, Wake};

/// Hints an order, known or not; returns whom to wake.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant.
pub async fn process(engine: &Engine, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<Vec<Wake>, ActError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    shops::fetch(&mut tx, shop).await?;
    hint(&mut tx, ctx, shop, order_sn).await?;
    acts::record(&mut tx, ctx, "order.process", order_sn, json!({ "shop": shop })).await?;
    tx.commit().await?;
    Ok(vec![Wake::Deliver(shop)])
}

/// Writes the hint of a person: due at once, cleared only by a read that starts after it.
pub(crate) async fn hint(tx: &mut TenantTx, ctx: &Ctx, shop: ShopId, order_sn: &OrderSn) -> Result<(), StoreError> {
    let hints = NewHints { dirty_since: ctx.now, due_at: ctx.now, source: HintSource::Person };
    order_hints::upsert(tx, shop, std::slice::from_ref(order_sn), hints).await
}
