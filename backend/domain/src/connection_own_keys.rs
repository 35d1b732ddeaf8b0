//! Takes a merchant's own client id and secret: proved by a signed call, active when a mall was read with them.
//!
//! ```text
//! entered ──pdd.time.get──► pending ──authorization──► pdd.mall.info.get ──► active
//! ```
//! The platform signs every call, also the one for its clock, so that call proves that id and secret belong together
//! and that it takes calls from where this program runs. Nothing is stored before: a client id belongs to one owner
//! here, and nobody takes one by typing it.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ApplicationId, GatewayKind, Permission, SecretText, ShopId, ShopState};
use kamiflow_store::{StoreError, applications, own_applications, shops};

use crate::ctx::{Ctx, Denied};
use crate::engine::Engine;
use crate::marketplace::{ApplicationAccess, MarketError};
use crate::register_application::{
    ApplicationOwner, RegisterApplication, RegisterApplicationError, register_application,
};

/// Keys of the Open Platform, as the merchant's console there shows them.
#[derive(Debug, Clone)]
pub struct EnterOwnKeys {
    /// Which platform.
    pub gateway: GatewayKind,
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: SecretText,
    /// The application's type there.
    pub app_type: String,
}

/// How far keys are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnKeysStanding {
    /// The pair is right; a mall must authorize it.
    Pending {
        /// When the platform took a call.
        proved_at: DateTime<Utc>,
    },
    /// A mall was read with them.
    Active {
        /// Since when.
        since: DateTime<Utc>,
    },
}

/// Why keys are not taken.
#[derive(Debug, thiserror::Error)]
pub enum EnterOwnKeysError {
    /// An id or secret that cannot be one.
    #[error("write the client id and the secret as the platform's console shows them")]
    Shape,
    /// The platform does not know the id, or has taken it off line (10016).
    #[error("the platform does not know this client id; look it up in its console")]
    ClientUnknown,
    /// The secret is another application's (20004).
    #[error("the secret does not belong to this client id; copy it anew from the platform's console")]
    SecretWrong,
    /// Our address is not on the application's list (20005).
    #[error("the platform refuses our address; add it to the application's IP white list")]
    AddressRefused,
    /// The platform refused for another reason, or did not answer.
    #[error("the platform did not take a call with these keys")]
    Market(#[source] Box<MarketError>),
    /// Another merchant has entered the client id.
    #[error("this client id is in use by another merchant here")]
    TakenElsewhere,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the keys could not be stored")]
    Store(#[from] StoreError),
}

impl From<MarketError> for EnterOwnKeysError {
    fn from(error: MarketError) -> Self {
        match error.code {
            10016 => Self::ClientUnknown,
            20004 => Self::SecretWrong,
            20005 => Self::AddressRefused,
            _ => Self::Market(Box::new(error)),
        }
    }
}

impl From<RegisterApplicationError> for EnterOwnKeysError {
    fn from(error: RegisterApplicationError) -> Self {
        match error {
            RegisterApplicationError::TakenElsewhere => Self::TakenElsewhere,
            RegisterApplicationError::Denied(denied) => Self::Denied(denied),
            RegisterApplicationError::Store(error) => Self::Store(error),
        }
    }
}

/// Proves keys and stores them; keys of a known client id are exchanged. An authorization must follow.
///
/// # Errors
/// See [`EnterOwnKeysError`].
pub async fn enter_own_keys(
    engine: &Engine,
    ctx: &Ctx,
    request: &EnterOwnKeys,
) -> Result<(ApplicationId, OwnKeysStanding), EnterOwnKeysError> {
    ctx.require(Permission::ManageShops)?;
    ctx.require_sudo()?;
    let register = RegisterApplication {
        owner: ApplicationOwner::Own,
        gateway: request.gateway,
        client_id: request.client_id.clone(),
        client_secret: request.client_secret.clone(),
        app_type: request.app_type.clone(),
        packages: Vec::new(),
    };
    let application = prove_and_keep(engine, ctx, &register).await?;
    Ok((application, show_own_keys(engine, ctx, application).await?))
}

/// Exchanges the secret of the merchant's own application that a shop is connected through, once the new one is proved.
/// Every shop of the application goes on with it at its next turn; no authorization is needed for that.
///
/// # Errors
/// See [`EnterOwnKeysError`]; [`StoreError::NotFound`] for a disconnected shop and for a hosted application. Nothing has
/// changed then.
pub async fn exchange_secret(
    engine: &Engine,
    ctx: &Ctx,
    shop: ShopId,
    client_secret: &SecretText,
) -> Result<ApplicationId, EnterOwnKeysError> {
    ctx.require(Permission::ManageShops)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let shop = shops::fetch(&mut tx, shop).await?;
    let row = applications::fetch(&mut tx, shop.application).await?;
    tx.commit().await?;
    ctx.require_sudo()?;
    if row.owner != ctx.merchant || shop.state == ShopState::Disconnected {
        return Err(StoreError::NotFound("application").into());
    }
    let register = RegisterApplication {
        owner: ApplicationOwner::Own,
        gateway: row.gateway,
        client_id: row.client_id,
        client_secret: client_secret.clone(),
        app_type: row.app_type,
        packages: row.packages,
    };
    prove_and_keep(engine, ctx, &register).await
}

/// Asks the platform for its clock with the keys, and stores them only if it answers.
async fn prove_and_keep(
    engine: &Engine,
    ctx: &Ctx,
    keys: &RegisterApplication,
) -> Result<ApplicationId, EnterOwnKeysError> {
    let plain = |text: &str| (4..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !plain(&keys.client_id) || !plain(keys.client_secret.expose()) {
        return Err(EnterOwnKeysError::Shape);
    }
    let access = ApplicationAccess {
        gateway: keys.gateway,
        client_id: keys.client_id.clone(),
        client_secret: keys.client_secret.clone(),
        denied_apis: Vec::new(),
    };
    engine.market.probe(&access).await?;
    let application = register_application(engine, ctx, keys).await?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    own_applications::upsert_proved(&mut tx, application, ctx.now).await?;
    tx.commit().await?;
    Ok(application)
}

/// Shows how far keys are.
///
/// # Errors
/// [`StoreError::NotFound`] for keys that were not entered here.
pub async fn show_own_keys(
    engine: &Engine,
    ctx: &Ctx,
    application: ApplicationId,
) -> Result<OwnKeysStanding, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = own_applications::find(&mut tx, application).await?.ok_or(StoreError::NotFound("application"))?;
    tx.commit().await?;
    Ok(match row.activated_at {
        Some(since) => OwnKeysStanding::Active { since },
        None => OwnKeysStanding::Pending { proved_at: row.proved_at },
    })
}
