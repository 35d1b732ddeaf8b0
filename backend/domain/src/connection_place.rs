//! Keeps where a member stopped in the wizard that connects shops, so that it goes on there on any device.

use chrono::TimeDelta;
use kamiflow_kernel::{ApplicationId, Permission, UserId};
use kamiflow_store::wizard_places::NewPlace;
use kamiflow_store::{StoreError, TenantTx, applications, wizard_places};

use crate::connection_routes::SaleKind;
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Who has not come back for so long begins anew.
pub const KEPT_FOR: TimeDelta = TimeDelta::days(30);

/// How far somebody is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct WizardPlace {
    /// What is sold, once it was said.
    pub sold: Option<SaleKind>,
    /// Whether own keys are to be entered.
    pub own_keys: bool,
    /// What is about to be authorized, once it is known.
    pub application: Option<ApplicationId>,
}

/// Returns where the member stopped; none for who has begun nothing, and for who is no person.
///
/// # Errors
/// When the actor may not manage shops, or the store fails.
pub async fn find_place(engine: &Engine, ctx: &Ctx) -> Result<Option<WizardPlace>, ActError> {
    ctx.require(Permission::ManageShops)?;
    let Some(member) = ctx.member() else { return Ok(None) };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = wizard_places::find(&mut tx, member.user).await?;
    tx.commit().await?;
    Ok(row.filter(|row| ctx.now - row.kept_at < KEPT_FOR).map(|row| WizardPlace {
        sold: row.sold.as_deref().and_then(SaleKind::named),
        own_keys: row.own_keys,
        application: row.application_id.map(ApplicationId::from_uuid),
    }))
}

/// Keeps where the member is now; what is sold stays as it was said before where the place does not say it.
///
/// # Errors
/// When the actor may not manage shops, the application is none of the merchant's, or the store fails.
pub async fn keep_place(engine: &Engine, ctx: &Ctx, place: WizardPlace) -> Result<(), ActError> {
    ctx.require(Permission::ManageShops)?;
    let Some(member) = ctx.member() else { return Ok(()) };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let application = match place.application {
        Some(id) => Some((applications::fetch(&mut tx, id).await?.owner, id)),
        None => None,
    };
    let sold = place.sold.map(SaleKind::as_str);
    let new = NewPlace { sold, own_keys: place.own_keys, application, kept_at: ctx.now };
    wizard_places::upsert(&mut tx, member.user, &new).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets where the member stopped: she begins anew.
///
/// # Errors
/// When the actor may not manage shops, or the store fails.
pub async fn forget_place(engine: &Engine, ctx: &Ctx) -> Result<(), ActError> {
    ctx.require(Permission::ManageShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    forget(&mut tx, ctx.member().map(|member| member.user)).await?;
    tx.commit().await?;
    Ok(())
}

/// Forgets the place of whoever has arrived, in the transaction that says so.
pub(crate) async fn forget(tx: &mut TenantTx, member: Option<UserId>) -> Result<(), StoreError> {
    match member {
        Some(user) => wizard_places::delete(tx, user).await,
        None => Ok(()),
    }
}
