//! Pauses delivery or redemption at any level, and ends pauses.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, ShopId, ShopState};
use kamiflow_store::pauses::NewPause;
use kamiflow_store::{StoreError, TenantTx, card_pools, cards, merchants, pauses, products, shops, stock_waits};
use serde_json::{Value, json};

pub use kamiflow_store::pauses::{PauseScope, PausedWork};

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};

/// Why everything of a merchant that closes is paused: a key, which pages put into words. What people write is shown as it is.
pub const CLOSING: &str = "merchant.closing";
/// Shops one page of the list holds.
const PAGE: i64 = 500;

/// What is to be paused.
#[derive(Debug, Clone)]
pub struct Pause {
    /// What.
    pub scope: PauseScope,
    /// Which work.
    pub work: PausedWork,
    /// Why, for people; at most 500 characters.
    pub reason: String,
    /// Until when; `None` until somebody ends it.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Why a pause could not be set or ended.
#[derive(Debug, thiserror::Error)]
pub enum PauseError {
    /// What is to be paused does not exist for this merchant.
    #[error("what is to be paused was not found")]
    TargetUnknown,
    /// A merchant that closes is paused until it is opened again.
    #[error("the merchant closes: open it again first")]
    Closing,
    /// The end is not in the future.
    #[error("a pause must end in the future")]
    EndsInThePast,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the pause could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for PauseError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::TargetUnknown,
            other => Self::Store(other),
        }
    }
}

/// Pauses work; it holds for whatever has not started to leave yet. A pause that is set gets the new reason and end.
///
/// # Errors
/// When the target is unknown, the end is past, or the store fails.
pub async fn pause(engine: &Engine, ctx: &Ctx, request: &Pause) -> Result<(), PauseError> {
    require(ctx, request.scope)?;
    if request.ends_at.is_some_and(|ends_at| ends_at <= ctx.now) {
        return Err(PauseError::EndsInThePast);
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // From here on nobody starts what this is to hold back.
    pauses::lock(&mut tx).await?;
    check_target(&mut tx, ctx, request.scope).await?;
    if request.ends_at.is_some() {
        check_is_open(&mut tx, request.scope).await?;
    }
    let before = held(&tx, ctx, (request.scope, request.work)).await?;
    let new = NewPause {
        scope: request.scope,
        work: request.work,
        reason: &request.reason,
        ends_at: request.ends_at,
        at: ctx.now,
    };
    if pauses::upsert(&mut tx, &new).await? {
        // What was put off to the end that it had is to look at its new end.
        let shops = shops_concerned(&mut tx, request.scope).await?;
        pauses::make_due(&mut tx, request.work, &shops, ctx.now).await?;
    }
    let after = json!({ "reason": request.reason, "ends_at": request.ends_at });
    let detail = json!({ "work": request.work.as_str(), "before": before, "after": after });
    acts::record(&mut tx, ctx, "pause.set", target_name(ctx, request.scope), detail).await?;
    tx.commit().await?;
    Ok(())
}

/// Ends a pause; returns whom to wake, nobody when there was no pause.
///
/// # Errors
/// When the store fails.
pub async fn resume(engine: &Engine, ctx: &Ctx, scope: PauseScope, work: PausedWork) -> Result<Vec<Wake>, PauseError> {
    require(ctx, scope)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // Whoever has seen the pause has put its work off by then, and is found below.
    pauses::lock(&mut tx).await?;
    if let PauseScope::Shop(_) | PauseScope::Sku(_) = scope {
        check_target(&mut tx, ctx, scope).await?;
    }
    check_is_open(&mut tx, scope).await?;
    let before = held(&tx, ctx, (scope, work)).await?;
    if !pauses::delete(&mut tx, scope, work).await? {
        return Ok(Vec::new());
    }
    let mut shops = shops_concerned(&mut tx, scope).await?;
    pauses::make_due(&mut tx, work, &shops, ctx.now).await?;
    if work == PausedWork::Delivery {
        shops.extend(wake_waiting(&mut tx, ctx.now).await?);
        shops.sort_unstable();
        shops.dedup();
    }
    let detail = json!({ "work": work.as_str(), "before": before, "after": null });
    acts::record(&mut tx, ctx, "pause.end", target_name(ctx, scope), detail).await?;
    tx.commit().await?;
    let wake = match work {
        PausedWork::Delivery => Wake::Deliver,
        PausedWork::Redemption => Wake::Redeem,
    };
    Ok(shops.into_iter().map(wake).collect())
}

/// Returns why and until when work is paused there now, as the audit log shows it; nothing where it is not.
async fn held(tx: &TenantTx, ctx: &Ctx, (scope, work): (PauseScope, PausedWork)) -> Result<Value, StoreError> {
    let active = pauses::list_active(tx, ctx.now).await?;
    let row = active.into_iter().find(|row| row.scope == scope && row.work == work);
    Ok(row.map_or(Value::Null, |row| json!({ "reason": row.reason, "ends_at": row.ends_at })))
}

/// Refuses to end the pause that keeps a merchant who closes from working: nobody may be left to look after it.
async fn check_is_open(tx: &mut TenantTx, scope: PauseScope) -> Result<(), PauseError> {
    let closes = match scope {
        PauseScope::Merchant => merchants::find(tx).await?.and_then(|merchant| merchant.closes_at),
        _ => None,
    };
    closes.map_or(Ok(()), |_at| Err(PauseError::Closing))
}

/// Wakes those who wait for cards that arrived while they were paused.
async fn wake_waiting(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Vec<ShopId>, StoreError> {
    let pools = stock_waits::list_pools(tx).await?;
    card_pools::lock(tx, &pools).await?;
    let mut shops = Vec::new();
    for pool in pools {
        shops.extend(stock_waits::wake(tx, pool, now).await?);
    }
    Ok(shops)
}

/// Asks for the permission that a level needs: a shop's own, or everybody's.
fn require(ctx: &Ctx, scope: PauseScope) -> Result<(), PauseError> {
    match scope {
        PauseScope::Shop(shop) => {
            ctx.require(Permission::Pause)?;
            ctx.sees(shop)?;
        }
        // Which shop it is of is looked up with it.
        PauseScope::Sku(_) => ctx.require(Permission::Pause)?,
        PauseScope::Merchant | PauseScope::Pool(_) | PauseScope::Batch(_) => ctx.require(Permission::PauseAll)?,
    }
    Ok(())
}

async fn check_target(tx: &mut TenantTx, ctx: &Ctx, scope: PauseScope) -> Result<(), StoreError> {
    match scope {
        PauseScope::Merchant => Ok(()),
        PauseScope::Shop(shop) => shops::fetch(tx, shop).await.map(|_row| ()),
        PauseScope::Sku(sku) => ctx.sees(products::fetch_sku(tx, sku).await?.shop),
        PauseScope::Pool(pool) => card_pools::fetch(tx, pool).await.map(|_row| ()),
        PauseScope::Batch(batch) => cards::fetch_batch(tx, batch).await.map(|_row| ()),
    }
}

/// Returns the shops that may go on: the one meant, or all that work, because any may use a pool or a batch.
async fn shops_concerned(tx: &mut TenantTx, scope: PauseScope) -> Result<Vec<ShopId>, StoreError> {
    match scope {
        PauseScope::Shop(shop) => Ok(vec![shop]),
        PauseScope::Sku(sku) => Ok(vec![products::fetch_sku(tx, sku).await?.shop]),
        PauseScope::Merchant | PauseScope::Pool(_) | PauseScope::Batch(_) => {
            let mut working = Vec::new();
            let mut after = None;
            loop {
                let page = shops::list(tx, after, PAGE).await?;
                after = page.last().map(|row| row.id);
                working.extend(page.iter().filter(|row| row.state == ShopState::Live).map(|row| row.id));
                if after.is_none() {
                    return Ok(working);
                }
            }
        }
    }
}

/// Returns whether the actor may set and end pauses of a level; which shop a SKU is of is looked up when it is done.
#[must_use]
pub fn may(ctx: &Ctx, scope: PauseScope) -> bool {
    require(ctx, scope).is_ok()
}

/// Returns what a form names: an id says of what kind it is. `None` for what is no id, and for another merchant's.
#[must_use]
pub fn scope_of_target(ctx: &Ctx, target: &str) -> Option<PauseScope> {
    if target.parse() == Ok(ctx.merchant) {
        return Some(PauseScope::Merchant);
    }
    let shop = target.parse().ok().map(PauseScope::Shop);
    let sku = || target.parse().ok().map(PauseScope::Sku);
    let pool = || target.parse().ok().map(PauseScope::Pool);
    shop.or_else(sku).or_else(pool).or_else(|| target.parse().ok().map(PauseScope::Batch))
}

/// Returns the id of a target.
pub(crate) fn target_name(ctx: &Ctx, scope: PauseScope) -> String {
    match scope {
        PauseScope::Merchant => ctx.merchant.to_string(),
        PauseScope::Shop(id) => id.to_string(),
        PauseScope::Sku(id) => id.to_string(),
        PauseScope::Pool(id) => id.to_string(),
        PauseScope::Batch(id) => id.to_string(),
    }
}
