//! Registers an application of the Open Platform: a merchant's own, or one hosted for all.

use kamiflow_kernel::{ApplicationId, GatewayKind, MerchantId, Permission, SecretText};
use kamiflow_store::applications::{ApplicationRow, NewApplication, Resumption};
use kamiflow_store::{StoreError, TenantTx, applications, shops};
use serde_json::{Value, json};

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::Engine;
use crate::watch_application;

/// Who owns an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApplicationOwner {
    /// The operator; every merchant may connect shops through it.
    Hosted,
    /// The context's merchant.
    Own,
}

/// The application.
#[derive(Debug, Clone)]
pub struct RegisterApplication {
    /// Who owns it.
    pub owner: ApplicationOwner,
    /// Which platform it is registered on.
    pub gateway: GatewayKind,
    /// Its public id there.
    pub client_id: String,
    /// Its secret.
    pub client_secret: SecretText,
    /// Its type, as the platform names it.
    pub app_type: String,
    /// Permission packages it holds.
    pub packages: Vec<String>,
}

/// Why an application could not be registered.
#[derive(Debug, thiserror::Error)]
pub enum RegisterApplicationError {
    /// The client id belongs to somebody else here.
    #[error("the application is registered by somebody else")]
    TakenElsewhere,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the application could not be stored")]
    Store(#[from] StoreError),
}

/// Registers an application; one that the owner has already gets the new secret and may call again.
///
/// # Errors
/// When the client id belongs to another owner, or the store fails.
pub async fn register_application(
    engine: &Engine,
    ctx: &Ctx,
    request: &RegisterApplication,
) -> Result<ApplicationId, RegisterApplicationError> {
    ctx.require(Permission::ManageShops)?;
    ctx.require_sudo()?;
    let owner = match request.owner {
        ApplicationOwner::Hosted => MerchantId::PLATFORM,
        ApplicationOwner::Own => ctx.merchant,
    };
    let mut tx = engine.store.tenant_tx(owner).await?;
    let known = applications::find_by_client(&mut tx, request.gateway, &request.client_id).await?;
    if known.as_ref().is_some_and(|row| row.owner != owner) {
        return Err(RegisterApplicationError::TakenElsewhere);
    }
    let id = known.as_ref().map_or_else(ApplicationId::generate, |row| row.id);
    let detail = described(&mut tx, known.as_ref(), request).await?;
    let row = NewApplication {
        id,
        gateway: request.gateway,
        client_id: &request.client_id,
        client_secret: &request.client_secret,
        app_type: &request.app_type,
        packages: &request.packages,
    };
    if known.is_some() {
        applications::update(&mut tx, &row).await?;
        // A new secret, or packages that the platform has granted: what it refused before is tried anew.
        applications::resume(&mut tx, id, Resumption::Person, ctx.now).await?;
        watch_application::plan(&mut tx, id, ctx.now).await?;
    } else {
        applications::insert(&mut tx, &row).await.map_err(|error| match error.constraint() {
            Some("applications_client_once") => RegisterApplicationError::TakenElsewhere,
            _ => error.into(),
        })?;
    }
    acts::record(&mut tx, ctx, "application.register", id, detail).await?;
    tx.commit().await?;
    Ok(id)
}

/// What the audit log shows: whether the secret is another one, and never which.
async fn described(
    tx: &mut TenantTx,
    known: Option<&ApplicationRow>,
    request: &RegisterApplication,
) -> Result<Value, StoreError> {
    let after = json!({ "app_type": request.app_type, "packages": request.packages });
    let (before, secret) = match known {
        None => (Value::Null, "new"),
        Some(row) => {
            // Whose secret cannot be read any more is cured by registering anew.
            let key = tx.data_key_by_id(row.data_key_id).await.ok();
            let held =
                key.and_then(|key| key.open(shops::CLIENT_SECRET, row.id.as_uuid(), &row.client_secret_sealed).ok());
            let is_held = held.is_some_and(|held| held.expose() == request.client_secret.expose().as_bytes());
            let before = json!({ "app_type": row.app_type, "packages": row.packages });
            (before, if is_held { "kept" } else { "exchanged" })
        }
    };
    Ok(json!({ "client_id": request.client_id, "secret": secret, "before": before, "after": after }))
}
