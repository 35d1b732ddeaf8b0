//! Sets where a merchant is told what needs a person.

use kamiflow_kernel::{EmailAddress, Permission};
use kamiflow_store::notification_addresses;
use serde_json::json;

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Sets the address. The audit log shows that it changed, never what it is.
///
/// # Errors
/// When the actor may not, a fresh proof is needed, or the store fails.
pub async fn set_notification_address(engine: &Engine, ctx: &Ctx, address: &EmailAddress) -> Result<(), ActError> {
    ctx.require(Permission::ManageIntegrations)?;
    // What warns of a thief must not be turned away by one.
    ctx.require_sudo()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    notification_addresses::upsert(&mut tx, address, ctx.now).await?;
    acts::record(&mut tx, ctx, "notification_address.set", ctx.merchant, json!({})).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the address, if there is one.
///
/// # Errors
/// When the store fails.
pub async fn find_notification_address(engine: &Engine, ctx: &Ctx) -> Result<Option<EmailAddress>, ActError> {
    ctx.require(Permission::ManageIntegrations)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let address = notification_addresses::find(&mut tx).await?;
    tx.commit().await?;
    Ok(address)
}
