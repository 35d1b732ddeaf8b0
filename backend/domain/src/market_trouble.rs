//! What an error of the platform means beyond the order at hand: wait, refresh the token, or stop at the level it names.
//!
//! | the error names | what stops | who meets the error afterwards |
//! | --- | --- | --- |
//! | a mall | the shop | nobody: its ticks end before the first call |
//! | an application | every shop of the application, of whichever merchants | those that were calling at that moment |
//! | an API | that API for the application | as above; the client refuses it without a call |
//!
//! One shop's answer speaks for all shops of an application, so it is written at the application
//! (`applications::report_stop`) and every tick reads it with its shop. Orders stay where they are and due; the way
//! back is [`crate::watch_application`].

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ReasonCode, ShopState};
use kamiflow_store::exceptions::NewException;
use kamiflow_store::{StoreError, TenantTx, application_return, applications, exceptions};
use serde_json::json;
use tracing::warn;

use crate::backoff::{self, RetryClass};
use crate::engine::Engine;
use crate::marketplace::{ErrorClass, MarketError};
use crate::notices::{self, Notice};
use crate::shop_access::Shop;
use crate::tokens::{self, Recovery};

/// Returns whether calls for the shop make sense at all.
#[must_use]
pub fn may_call(shop: &Shop) -> bool {
    matches!(shop.state, ShopState::TrialRun | ShopState::Live)
        && shop.token_dead.is_none()
        && !shop.application_stopped
}

/// Returns whether an error concerns more than the order it met.
#[must_use]
pub const fn is_shared(error: &MarketError) -> bool {
    matches!(
        error.class,
        ErrorClass::Reauthorize | ErrorClass::StopApi | ErrorClass::StopApplication | ErrorClass::StopMall
    )
}

/// Returns how long to wait after an error, the `attempt`th of its kind.
#[must_use]
pub fn delay(error: &MarketError, attempt: u32) -> Duration {
    let class = match error.class {
        ErrorClass::NotSent => RetryClass::Limited { advised: error.after },
        ErrorClass::RetryLater if matches!(error.code, 70031 | 52101) => RetryClass::Limited { advised: error.after },
        ErrorClass::RetryLater if matches!(error.code, 52102 | 52103 | 70033) => RetryClass::Unavailable,
        ErrorClass::RetryLater if error.code == 0 => RetryClass::Transport,
        ErrorClass::RetryLater | ErrorClass::OutcomeUnknown => RetryClass::PlatformFault,
        ErrorClass::Reauthorize
        | ErrorClass::StopApi
        | ErrorClass::StopApplication
        | ErrorClass::StopMall
        | ErrorClass::Rejected
        | ErrorClass::AlreadyDone
        | ErrorClass::NotFound => RetryClass::Unavailable,
    };
    backoff::next_delay(class, attempt.max(1), &mut rand::rng())
}

/// Deals with an error that concerns the token, the API, the application or the mall; returns when to try again.
///
/// # Errors
/// When the store fails.
pub async fn settle(engine: &Engine, shop: &Shop, error: &MarketError) -> Result<Duration, StoreError> {
    let ctx = engine.ctx("engine", shop.access.merchant);
    let id = shop.access.shop;
    match error.class {
        ErrorClass::Reauthorize => {
            return Ok(match tokens::recover(engine, &ctx, id, shop.access.token_version).await? {
                Recovery::RetryWith(_) => Duration::ZERO,
                Recovery::Later(at) => (at - ctx.now).to_std().unwrap_or_default(),
                Recovery::Stopped => delay(error, 1),
            });
        }
        ErrorClass::StopApi => deny_api(engine, shop, error).await?,
        ErrorClass::StopApplication => stop_application(engine, shop, error).await?,
        ErrorClass::StopMall => {
            let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
            tokens::stop(&mut tx, ctx.now, id, ReasonCode::StoppedByPlatform).await?;
            tx.commit().await?;
            warn!(shop.id = %id, error.code = error.code, "The platform stopped the mall of shop `{id}`");
        }
        _ => {}
    }
    Ok(delay(error, 1))
}

/// Remembers at the application that it may not call an API, if this shop's token can tell.
async fn deny_api(engine: &Engine, shop: &Shop, error: &MarketError) -> Result<(), StoreError> {
    let (id, api) = (shop.access.shop, error.api.as_str());
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let is_news = applications::report_denied_api(&mut tx, id, api, engine.now()).await?;
    let detail = json!({ "application": shop.application, "api": api, "code": error.code });
    open(&mut tx, shop, ReasonCode::PermissionMissing, detail).await?;
    tx.commit().await?;
    if is_news {
        warn!(application.id = %shop.application, error.code = error.code, error.api = api,
              "The platform denied `{api}` to application `{}`", shop.application);
    }
    Ok(())
}

/// Stops the application of a shop for all its shops.
///
/// # Errors
/// When the store fails.
pub(crate) async fn stop_application(engine: &Engine, shop: &Shop, error: &MarketError) -> Result<(), StoreError> {
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    let is_news = applications::report_stop(&mut tx, shop.access.shop, error.code, engine.now()).await?;
    open_stopped(&mut tx, engine.now(), shop).await?;
    tx.commit().await?;
    if is_news {
        warn!(application.id = %shop.application, error.code = error.code, error.api = %error.api,
              "The platform stopped application `{}`: no shop calls through it any more", shop.application);
    }
    Ok(())
}

/// Tells the merchant why nothing happens in a shop whose application was stopped through another one; makes no call.
///
/// # Errors
/// When the store fails.
pub async fn tell_stopped(engine: &Engine, shop: &Shop) -> Result<(), StoreError> {
    if !shop.application_stopped || !matches!(shop.state, ShopState::TrialRun | ShopState::Live) {
        return Ok(());
    }
    let mut tx = engine.store.tenant_tx(shop.access.merchant).await?;
    open_stopped(&mut tx, engine.now(), shop).await?;
    tx.commit().await
}

/// Opens the shop's exception; a merchant with many shops is notified by the first.
async fn open_stopped(tx: &mut TenantTx, now: DateTime<Utc>, shop: &Shop) -> Result<(), StoreError> {
    let (code, application) = (ReasonCode::StoppedByPlatform, shop.application.to_string());
    let is_told = application_return::is_told(tx, shop.access.shop, code, &application).await?;
    let detail = json!({ "level": "application", "application": &application });
    if open(tx, shop, code, detail).await? > 0 && !is_told {
        notices::tell(tx, now, &Notice::ApplicationStopped { shop: shop.access.shop, application }).await?;
    }
    Ok(())
}

async fn open(
    tx: &mut TenantTx,
    shop: &Shop,
    code: ReasonCode,
    detail: serde_json::Value,
) -> Result<usize, StoreError> {
    exceptions::open(tx, &[NewException { shop: shop.access.shop, order: None, code, needs_review: true, detail }])
        .await
}

/// Deals with the error of a read; returns when to read again.
///
/// # Errors
/// When the store fails.
pub async fn after_failed_read(engine: &Engine, shop: &Shop, error: &MarketError) -> Result<Duration, StoreError> {
    if is_shared(error) { settle(engine, shop, error).await } else { Ok(delay(error, 1)) }
}
