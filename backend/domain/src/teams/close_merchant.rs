//! Closes a merchant: after 30 days nobody works for it any more ([`super::end_merchant`]). Until then its owners can think
//! better of it.
//!
//! All work pauses at once, as one pause of the merchant that people see and that nobody can end before the merchant is
//! reopened. What a shop has delivered stays; orders that come wait, and are worked off once the pause is ended then.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Permission, Role};
use kamiflow_store::pauses::{self, NewPause, PauseScope, PausedWork};
use kamiflow_store::{StoreError, TenantTx, merchants};
use serde_json::json;

use super::{TeamError, end_merchant, write_to};
use crate::accounts::Accounts;
use crate::accounts::letter::{Letter, MerchantChange};
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::Wake;
use crate::pause::CLOSING;

const GRACE: TimeDelta = TimeDelta::days(30);

/// Begins the days of grace and pauses all work; returns when they end.
///
/// # Errors
/// When the actor is no owner, a fresh proof is needed, or the store fails.
pub async fn close_merchant(accounts: &Accounts, ctx: &Ctx) -> Result<DateTime<Utc>, TeamError> {
    ctx.require(Permission::ManageMerchant)?;
    ctx.require_sudo()?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    // From here on nobody starts what the pause is to hold back.
    pauses::lock(&mut tx).await?;
    pause_everything(&mut tx, ctx.now).await?;
    let closes_at = ctx.now + GRACE;
    merchants::update_closes_at(&mut tx, Some(closes_at)).await?;
    let mut wakes = tell_leaders(&mut tx, ctx, MerchantChange::Closing).await?;
    wakes.push(end_merchant::plan(&mut tx, closes_at).await?);
    acts::record(&mut tx, ctx, "merchant.close", ctx.merchant, json!({ "closes_at": closes_at })).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(closes_at)
}

/// Ends the days of grace: the merchant goes on. Its work stays paused until somebody resumes it.
///
/// # Errors
/// When the actor is no owner, a fresh proof is needed, or the store fails.
pub async fn reopen_merchant(accounts: &Accounts, ctx: &Ctx) -> Result<(), TeamError> {
    ctx.require(Permission::ManageMerchant)?;
    ctx.require_sudo()?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    merchants::update_closes_at(&mut tx, None).await?;
    let wakes = tell_leaders(&mut tx, ctx, MerchantChange::Reopened).await?;
    acts::record(&mut tx, ctx, "merchant.reopen", ctx.merchant, json!({})).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(())
}

/// Pauses all work until somebody ends the pause: reopening does not, because nobody shall be surprised by what is sent.
async fn pause_everything(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<(), StoreError> {
    for work in [PausedWork::Delivery, PausedWork::Redemption] {
        let pause = NewPause { scope: PauseScope::Merchant, work, reason: CLOSING, ends_at: None, at: now };
        pauses::upsert(tx, &pause).await?;
    }
    Ok(())
}

/// Writes to every owner and admin who has an address.
pub(super) async fn tell_leaders(tx: &mut TenantTx, ctx: &Ctx, what: MerchantChange) -> Result<Vec<Wake>, StoreError> {
    let merchant = merchants::find(tx).await?.map_or_else(String::new, |row| row.name);
    let letter = Letter::MerchantChanged { merchant, what, at: ctx.now };
    write_to(tx, ctx.now, &[Role::Owner, Role::Admin], &letter).await
}
