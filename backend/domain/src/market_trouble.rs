//! What an error of the platform means beyond the order at hand: wait, refresh the token, or stop at the level it names.

use std::time::Duration;

use kamiflow_kernel::{ReasonCode, ShopState};
use kamiflow_store::{StoreError, applications};

use crate::backoff::{self, RetryClass};
use crate::engine::Engine;
use crate::marketplace::{ErrorClass, MarketError};
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
    let reason = match error.class {
        ErrorClass::Reauthorize => {
            return Ok(match tokens::recover(engine, &ctx, id, shop.access.token_version).await? {
                Recovery::RetryWith(_) => Duration::ZERO,
                Recovery::Later(at) => (at - ctx.now).to_std().unwrap_or_default(),
                Recovery::Stopped => delay(error, 1),
            });
        }
        ErrorClass::StopApi => ReasonCode::PermissionMissing,
        ErrorClass::StopApplication | ErrorClass::StopMall => ReasonCode::StoppedByPlatform,
        _ => return Ok(delay(error, 1)),
    };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if error.class == ErrorClass::StopApi {
        applications::update_denied_api(&mut tx, shop.application, &error.api).await?;
        tokens::need_person(&mut tx, id, reason).await?;
    } else {
        tokens::stop(&mut tx, id, reason).await?;
    }
    tx.commit().await?;
    tracing::warn!(shop.id = %id, error.code = error.code, error.api = %error.api, "The platform stopped shop `{id}`: {reason}");
    Ok(delay(error, 1))
}

/// Deals with the error of a read; returns when to read again.
///
/// # Errors
/// When the store fails.
pub async fn after_failed_read(engine: &Engine, shop: &Shop, error: &MarketError) -> Result<Duration, StoreError> {
    if is_shared(error) { settle(engine, shop, error).await } else { Ok(delay(error, 1)) }
}
