//! Which shops can be read at all, and what cures the others.

use kamiflow_kernel::{ShopId, ShopState};
use kamiflow_store::{StoreError, TenantTx, shops};

use super::ReconcileError;
use crate::shop_access::{self, Shop};

/// Why a shop is not called, with the cure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotWorking {
    /// Nothing is connected.
    #[error("shop {0} is disconnected: connect its mall again first")]
    Disconnected(ShopId),
    /// The platform takes its tokens no more.
    #[error(
        "the token of shop {shop} is dead ({reason}): its owner must authorize the mall again; nothing is lost \
         meanwhile, the shop's windows go on from where they stand"
    )]
    TokenDead {
        /// The shop.
        shop: ShopId,
        /// What the platform said.
        reason: String,
    },
    /// It has stopped.
    #[error("shop {shop} is stopped ({reason}): deal with the reason and resume it first")]
    Stopped {
        /// The shop.
        shop: ShopId,
        /// Why.
        reason: String,
    },
    /// Its application has stopped.
    #[error("the application of shop {0} is stopped by the platform: clear that in its console first")]
    ApplicationStopped(ShopId),
}

/// Opens a shop that may be called.
pub(super) async fn open_working(tx: &mut TenantTx, shop: ShopId) -> Result<Shop, ReconcileError> {
    let row = shops::fetch(tx, shop).await?;
    if row.state == ShopState::Disconnected {
        return Err(NotWorking::Disconnected(shop).into());
    }
    let opened = shop_access::open(tx, shop).await.map_err(|error| match error {
        StoreError::NotFound(_) => NotWorking::Disconnected(shop).into(),
        error => ReconcileError::Store(error),
    })?;
    if let Some(reason) = opened.token_dead {
        return Err(NotWorking::TokenDead { shop, reason }.into());
    }
    if opened.application_stopped {
        return Err(NotWorking::ApplicationStopped(shop).into());
    }
    match opened.state {
        ShopState::TrialRun | ShopState::Live => Ok(opened),
        ShopState::Disconnected => Err(NotWorking::Disconnected(shop).into()),
        ShopState::Stopped => {
            let reason = row.stop_reason.unwrap_or_else(|| "no reason was written down".to_owned());
            Err(NotWorking::Stopped { shop, reason }.into())
        }
    }
}
