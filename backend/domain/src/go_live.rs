//! Lets a shop deliver, from a moment on and for the backlog that a person ticked; and takes it back to trial run.

use chrono::{DateTime, SubsecRound, Utc};
use kamiflow_kernel::{GatewayKind, OrderSn, Permission, ShopId, ShopState};
use kamiflow_store::backlog::Release;
use kamiflow_store::order_events::NewEvent;
use kamiflow_store::pauses::PausedWork;
use kamiflow_store::restored_shops::Restored;
use kamiflow_store::shops::{ShopChange, ShopRow};
use kamiflow_store::{StoreError, TenantTx, backlog, order_events, pauses, restored_shops, shops};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::verification::{self, Unverified};

/// The request.
#[derive(Debug, Clone)]
pub struct GoLive {
    /// The shop.
    pub shop: ShopId,
    /// Orders paid since are delivered; earlier ones are held.
    pub deliver_from: DateTime<Utc>,
    /// Earlier orders that are to be delivered all the same.
    pub release: Vec<OrderSn>,
}

impl GoLive {
    /// Only orders paid from now on are delivered: what a page offers first.
    #[must_use]
    pub const fn from_now(shop: ShopId, now: DateTime<Utc>) -> Self {
        Self { shop, deliver_from: now, release: Vec::new() }
    }

    /// The same, and of the backlog those that somebody ticked.
    #[must_use]
    pub fn with_backlog(self, ticked: Vec<OrderSn>) -> Self {
        Self { release: ticked, ..self }
    }
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WentLive {
    /// Orders released from the backlog.
    pub released: usize,
    /// Orders that are decided about anew.
    pub waiting: usize,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why a shop cannot change.
#[derive(Debug, thiserror::Error)]
pub enum GoLiveError {
    /// The shop does not exist for this merchant, or is disconnected.
    #[error("the shop was not found")]
    ShopUnknown,
    /// The shop is stopped.
    #[error("the shop is stopped: {reason}")]
    ShopStopped {
        /// Why.
        reason: String,
    },
    /// The merchant is not verified (实名认证); everything else works without.
    #[error("verify the merchant's identity before the shop goes live; now it is `{}`", .0.standing.as_str())]
    NotVerified(Unverified),
    /// Somebody ticked orders that cannot be delivered any more, or are not this shop's.
    #[error("{} of the ticked orders cannot be released; reload the list", .0.len())]
    NotReleasable(Vec<OrderSn>),
    /// The shop came back from a backup, and what happened since was not read again yet.
    #[error("the shop was restored from a backup of {snapshot_at}: run `kamiflow reconcile` from {from} to {to} first")]
    NotReconciled {
        /// The moment the backup shows.
        snapshot_at: DateTime<Utc>,
        /// Where reconciling has to begin.
        from: DateTime<Utc>,
        /// Where it has to end, or later.
        to: DateTime<Utc>,
    },
    /// Orders paid before a restore may have been delivered by what was lost.
    #[error("the shop was restored at {restored_at}: it delivers from then on; release earlier orders one by one")]
    BeforeRestore {
        /// When.
        restored_at: DateTime<Utc>,
    },
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the shop could not be changed")]
    Store(#[source] StoreError),
}

impl From<StoreError> for GoLiveError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::ShopUnknown,
            other => Self::Store(other),
        }
    }
}

/// Lets a shop deliver. A shop that is live already gets the new start.
///
/// # Errors
/// When the shop is unknown or stopped, or the store fails.
pub async fn go_live(engine: &Engine, ctx: &Ctx, request: &GoLive) -> Result<WentLive, GoLiveError> {
    // Who may not is told that, and not asked for a proof first.
    ctx.require(Permission::GoLive)?;
    ctx.sees(request.shop)?;
    ctx.require_sudo()?;
    begin(engine, ctx, request).await
}

/// Lets a shop deliver without a fresh proof, as a sandbox shop does that was made a moment ago.
pub(crate) async fn begin(engine: &Engine, ctx: &Ctx, request: &GoLive) -> Result<WentLive, GoLiveError> {
    ctx.require(Permission::GoLive)?;
    ctx.sees(request.shop)?;
    // The platform's times of payment have whole seconds: an order paid in this very second is not backlog.
    let request = &GoLive { deliver_from: request.deliver_from.trunc_subsecs(0), ..request.clone() };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // Nobody puts work off any more because of the trial run.
    pauses::lock(&mut tx).await?;
    let row = lock_working(&mut tx, request.shop).await?;
    // A sandbox sends nothing to anybody; a shop that is live was allowed to be.
    if row.gateway == GatewayKind::Production && row.state != ShopState::Live {
        verification::is_approved(&mut tx).await?.map_err(GoLiveError::NotVerified)?;
    }
    may_deliver_from(restored_shops::find(&mut tx, request.shop).await?, request.deliver_from)?;
    let change = ShopChange::GoLive { deliver_from: request.deliver_from };
    shops::update_state(&mut tx, request.shop, &change).await?;
    let release = Release { shop: request.shop, orders: &request.release, paid_since: request.deliver_from };
    let released = backlog::release(&mut tx, &release).await?;
    let is_released = |sn: &&OrderSn| released.iter().any(|order| order.order_sn == sn.as_str());
    let left: Vec<OrderSn> = request.release.iter().filter(|sn| !is_released(sn)).cloned().collect();
    if !left.is_empty() {
        // Nothing is kept: what somebody read and ticked is not what there is.
        return Err(GoLiveError::NotReleasable(left));
    }
    let events: Vec<NewEvent> = released
        .iter()
        .map(|order| NewEvent {
            order: order.key(),
            kind: "released_backlog",
            detail: json!({ "actor": ctx.actor.name() }),
        })
        .collect();
    order_events::append(&tx, ctx.now, &events).await?;
    // What was under way when the shop went back to trial run goes on.
    pauses::make_due(&mut tx, PausedWork::Delivery, &[request.shop], ctx.now).await?;
    let waiting = backlog::hint_seen(&mut tx, request.shop, ctx.now).await?;
    let detail = json!({
        "before": { "state": row.state, "deliver_from": row.deliver_from },
        "after": { "state": ShopState::Live, "deliver_from": request.deliver_from },
        "released": released.len(),
    });
    acts::record(&mut tx, ctx, "shop.go_live", request.shop, detail).await?;
    tx.commit().await?;
    let shop = request.shop;
    let wakes = vec![Wake::Sync(shop), Wake::Deliver(shop), Wake::Redeem(shop)];
    Ok(WentLive { released: released.len(), waiting, wakes })
}

/// Takes a shop back to trial run: nothing is handed over any more, what was handed over stays.
///
/// # Errors
/// When the shop is unknown or stopped, or the store fails.
pub async fn return_to_trial_run(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<(), GoLiveError> {
    ctx.require(Permission::GoLive)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = lock_working(&mut tx, shop).await?;
    shops::update_state(&mut tx, shop, &ShopChange::TrialRun).await?;
    let detail = json!({ "before": { "state": row.state }, "after": { "state": ShopState::TrialRun } });
    acts::record(&mut tx, ctx, "shop.trial_run", shop, detail).await?;
    tx.commit().await?;
    Ok(())
}

/// A shop that came back from a backup delivers what was paid since, once what was lost has been read again.
fn may_deliver_from(restored: Option<Restored>, deliver_from: DateTime<Utc>) -> Result<(), GoLiveError> {
    let Some(restored) = restored else { return Ok(()) };
    let (from, to) = restored.range();
    if restored.reconciled_at.is_none() {
        return Err(GoLiveError::NotReconciled { snapshot_at: restored.snapshot_at, from, to });
    }
    if restored.is_before(deliver_from) {
        return Err(GoLiveError::BeforeRestore { restored_at: restored.restored_at });
    }
    Ok(())
}

async fn lock_working(tx: &mut TenantTx, shop: ShopId) -> Result<ShopRow, GoLiveError> {
    let row = shops::lock(tx, shop).await?;
    match row.state {
        ShopState::TrialRun | ShopState::Live => Ok(row),
        ShopState::Stopped => Err(GoLiveError::ShopStopped { reason: row.stop_reason.unwrap_or_default() }),
        ShopState::Disconnected => Err(GoLiveError::ShopUnknown),
    }
}
