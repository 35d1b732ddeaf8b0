//! The applications a merchant may connect shops through: her own, and those hosted for everybody.

use kamiflow_kernel::{GatewayKind, Permission};
use kamiflow_store::applications;

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::show_shop::ApplicationView;

/// Lists the applications on a platform, oldest first.
///
/// # Errors
/// When the actor may not manage shops, or the store fails.
pub async fn list_applications(
    engine: &Engine,
    ctx: &Ctx,
    gateway: GatewayKind,
) -> Result<Vec<ApplicationView>, ActError> {
    ctx.require(Permission::ManageShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = applications::list(&mut tx).await?;
    tx.commit().await?;
    Ok(rows.into_iter().filter(|row| row.gateway == gateway).map(ApplicationView::from).collect())
}
