//! Asks a verified merchant again after a new owner or name, and stops what still runs when nobody was approved in time.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{GatewayKind, ReasonCode, ShopId, ShopState};
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::shops::{ShopChange, ShopRow};
use kamiflow_store::{StoreError, TenantTx, credentials, exceptions, shops, verifications};
use serde_json::{Value, json};

use super::RENEW_WITHIN;
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::notices::{self, Notice};
use crate::tokens;

/// Name of the job that stops shops; one per merchant, without a payload.
pub const NAME: &str = "end_verification.v1";
const PAGE: i64 = 200;

/// Why somebody is asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AskedAgain {
    /// The merchant has another owner.
    NewOwner,
    /// The company, or its name, is another.
    NewName,
}

impl AskedAgain {
    const fn as_str(self) -> &'static str {
        match self {
            Self::NewOwner => "new_owner",
            Self::NewName => "new_name",
        }
    }
}

/// Asks a merchant to be verified again, in the transaction that changes the owner or the name: whoever was approved, and a
/// submission that waits, which was made by the former one. One who has neither is asked nothing.
///
/// # Errors
/// When the store fails.
pub async fn ask_again(tx: &mut TenantTx, ctx: &Ctx, cause: AskedAgain) -> Result<Vec<Wake>, StoreError> {
    let renew_by = verifications::update_asked_again(tx, cause.as_str(), ctx.now + RENEW_WITHIN).await?;
    let Some(renew_by) = renew_by else { return Ok(Vec::new()) };
    let wake = plan_end(tx, renew_by).await?;
    let notice = Notice::VerificationAskedAgain { cause: cause.as_str().to_owned(), renew_by };
    notices::tell(tx, ctx.now, &notice).await?;
    let detail = json!({ "cause": cause.as_str(), "renew_by": renew_by });
    acts::record(tx, ctx, "verification.ask_again", ctx.merchant, detail).await?;
    Ok(vec![wake])
}

async fn plan_end(tx: &mut TenantTx, renew_by: DateTime<Utc>) -> Result<Wake, StoreError> {
    let job = NewJob { name: NAME, key: "", payload: json!({}), due_at: renew_by };
    Ok(Wake::Job(jobs::insert(tx, &job).await?))
}

/// Stops the shops of a merchant who was not approved in time; returns when to look again, if not now.
///
/// # Errors
/// When the store fails.
pub async fn step(engine: &Engine, ctx: &Ctx) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let renew_by = verifications::find_approved(&mut tx).await?.and_then(|row| row.renew_by);
    let Some(renew_by) = renew_by else { return Ok(None) };
    if renew_by > ctx.now {
        return Ok(Some(renew_by));
    }
    for shop in list_shops(&mut tx).await? {
        if shop.state == ShopState::Live && shop.gateway == GatewayKind::Production {
            tokens::stop(&mut tx, ctx.now, shop.id, ReasonCode::VerificationNeeded).await?;
        }
    }
    tx.commit().await?;
    Ok(None)
}

/// Returns whether shops of a platform may not run until somebody is approved again.
///
/// # Errors
/// When the store fails.
pub(crate) async fn is_overdue(
    tx: &mut TenantTx,
    gateway: GatewayKind,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let renew_by = verifications::find_approved(tx).await?.and_then(|row| row.renew_by);
    Ok(gateway == GatewayKind::Production && renew_by.is_some_and(|renew_by| renew_by <= now))
}

/// What follows from an approval: shops go on that had stopped for want of one, unless the approved submission was itself
/// asked again and its time is over; while it is not, its end is planned.
pub(super) async fn follow_approval(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Vec<Wake>, StoreError> {
    let mut wakes = Vec::new();
    if let Some(renew_by) = verifications::find_approved(tx).await?.and_then(|row| row.renew_by) {
        if renew_by <= now {
            return Ok(wakes);
        }
        wakes.push(plan_end(tx, renew_by).await?);
    }
    for shop in list_shops(tx).await? {
        let waited = shop.stop_reason.as_deref() == Some(ReasonCode::VerificationNeeded.as_str());
        if shop.state != ShopState::Stopped || !waited {
            continue;
        }
        exceptions::resolve(tx, shop.id, &[""], &[ReasonCode::VerificationNeeded], "verified").await?;
        if let Some(other) = other_reason(tx, shop.id).await? {
            tokens::stop_for_another_reason(tx, now, (shop.id, other)).await?;
            continue;
        }
        shops::update_state(tx, shop.id, &ShopChange::Resume).await?;
        shops::update_due(tx, shop.id, now).await?;
        wakes.extend([Wake::Sync(shop.id), Wake::Deliver(shop.id), Wake::Redeem(shop.id)]);
    }
    Ok(wakes)
}

/// Returns why a shop would have stopped while it waited for the approval ([`tokens::stop`]): its mall was stopped, or its
/// tokens are dead. An application that was stopped holds back calls and no shop's state, and tokens that end some day are
/// a reminder only.
async fn other_reason(tx: &mut TenantTx, shop: ShopId) -> Result<Option<ReasonCode>, StoreError> {
    let open = exceptions::list_open(tx, shop, &[""]).await?;
    let is_mall = |detail: &Value| detail.get("level").is_none_or(|level| level != "application");
    let stopped = ReasonCode::StoppedByPlatform;
    if open.iter().any(|exception| exception.code == stopped.as_str() && is_mall(&exception.detail)) {
        return Ok(Some(stopped));
    }
    let is_dead = credentials::fetch(tx, shop).await?.dead_reason.is_some();
    Ok(is_dead.then_some(ReasonCode::ReauthorizationNeeded))
}

async fn list_shops(tx: &mut TenantTx) -> Result<Vec<ShopRow>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = shops::list(tx, after, PAGE).await?;
        after = page.last().map(|row| row.id);
        all.extend(page);
        if after.is_none() {
            return Ok(all);
        }
    }
}
