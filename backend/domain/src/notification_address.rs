//! Sets where a merchant is told what needs a person.

use kamiflow_kernel::{EmailAddress, Permission};
use kamiflow_store::notification_addresses;
use serde_json::json;

use crate::acts;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Sets the address. The audit log shows it and the one before with most of their names hidden.
///
/// # Errors
/// When the actor may not, a fresh proof is needed, or the store fails.
pub async fn set_notification_address(engine: &Engine, ctx: &Ctx, address: &EmailAddress) -> Result<(), ActError> {
    ctx.require(Permission::ManageIntegrations)?;
    // What warns of a thief must not be turned away by one.
    ctx.require_sudo()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let before = notification_addresses::find(&mut tx).await?;
    notification_addresses::upsert(&mut tx, address, ctx.now).await?;
    let detail = json!({ "before": before.map(|before| before.masked()), "after": address.masked() });
    acts::record(&mut tx, ctx, "notification_address.set", ctx.merchant, detail).await?;
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
