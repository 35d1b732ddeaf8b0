//! Closes a merchant: after 30 days nobody works for it any more. Until then its owners can think better of it.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{Locale, Permission, Role, ShopState};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx, merchants, shops};
use serde_json::json;

use super::TeamError;
use crate::accounts::letter::{Addressed, Letter, MerchantChange};
use crate::accounts::{Accounts, send_mail};
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::Wake;

const GRACE: TimeDelta = TimeDelta::days(30);
/// Shops one page of the list holds.
const PAGE: i64 = 500;

/// Why a merchant was not closed.
#[derive(Debug, thiserror::Error)]
pub enum CloseMerchantError {
    /// Shops deliver: return them to trial run or disconnect them first.
    #[error("shops of this merchant are live: return them to trial run first")]
    ShopsAreLive,
    /// The actor may not, or the store failed.
    #[error(transparent)]
    Team(#[from] TeamError),
}

impl From<StoreError> for CloseMerchantError {
    fn from(error: StoreError) -> Self {
        Self::Team(error.into())
    }
}

/// Begins the days of grace; returns when they end.
///
/// # Errors
/// When shops are live, the actor is no owner, a fresh proof is needed, or the store fails.
pub async fn close_merchant(accounts: &Accounts, ctx: &Ctx) -> Result<DateTime<Utc>, CloseMerchantError> {
    ctx.require(Permission::ManageMerchant).map_err(TeamError::from)?;
    ctx.require_sudo().map_err(TeamError::from)?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    if has_live_shop(&mut tx).await? {
        return Err(CloseMerchantError::ShopsAreLive);
    }
    let closes_at = ctx.now + GRACE;
    merchants::update_closes_at(&mut tx, Some(closes_at)).await?;
    let wakes = tell_leaders(&mut tx, ctx, MerchantChange::Closing).await?;
    acts::record(&mut tx, ctx, "merchant.close", ctx.merchant, json!({ "closes_at": closes_at })).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(closes_at)
}

/// Ends the days of grace: the merchant goes on.
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

async fn has_live_shop(tx: &mut TenantTx) -> Result<bool, StoreError> {
    let mut after = None;
    loop {
        let page = shops::list(tx, after, PAGE).await?;
        if page.iter().any(|shop| shop.state == ShopState::Live) {
            return Ok(true);
        }
        after = page.last().map(|shop| shop.id);
        if after.is_none() {
            return Ok(false);
        }
    }
}

/// Writes to every owner and admin who has an address.
pub(super) async fn tell_leaders(tx: &mut TenantTx, ctx: &Ctx, what: MerchantChange) -> Result<Vec<Wake>, StoreError> {
    let merchant = merchants::find(tx).await?.map_or_else(String::new, |row| row.name);
    let mut wakes = Vec::new();
    for member in members::list(tx).await? {
        let Ok(to) = member.login.parse() else { continue };
        if !matches!(member.role, Role::Owner | Role::Admin) {
            continue;
        }
        let letter = Letter::MerchantChanged { merchant: merchant.clone(), what, at: ctx.now };
        // In the language of most: whose it is is not told to the team.
        let mail = Addressed { to, locale: Locale::Zh, letter };
        wakes.push(send_mail::plan(tx, &mail, ctx.now, std::time::Duration::from_secs(7 * 24 * 60 * 60)).await?);
    }
    Ok(wakes)
}
