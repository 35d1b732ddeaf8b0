//! Ends a merchant whose days of grace are over: nothing goes on, nobody comes back, and what tells of people is gone.
//!
//! ```text
//! close ── job `end_merchant.v1`, due when the days are over ──► sub-accounts closed ─► one transaction: everything else
//!   └─ reopen: the job finds a merchant that does not close, and is done
//! ```
//! **What goes**: tokens of shops and secrets of own applications, API tokens, invitations and links, every seat but the
//! owners' (which open nothing since the days ended), sub-accounts with their names, the notification address, whom
//! invitations were written to, and what was submitted to be verified. **What stays**, for the books: orders, deliveries,
//! redemptions, cards with their ledger, the audit log, shops, and of an identity its kind, last four characters, keyed hash
//! and decision. Who wants her data takes it out before ([`crate::export`]).
//!
//! A sub-account is a user, and closed in a transaction of its own, before the rest: whoever is interrupted begins again and
//! finds it closed. The rest is one transaction that also marks the merchant, so a second run does nothing.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{MerchantId, Role, ShopState, UserId};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens;
use kamiflow_store::accounts::{devices, factors, users};
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::shops::ShopChange;
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx, account_recoveries, merchant_end, merchants, pauses, shops};
use serde_json::json;
use tracing::info;

use super::close_merchant::tell_leaders;
use crate::accounts::delete_account::LINKS;
use crate::accounts::letter::MerchantChange;
use crate::acts;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};

/// Name of the job; one per merchant, without a payload.
pub const NAME: &str = "end_merchant.v1";
/// A request that was let in before the days ended has ended by then.
const LATE: TimeDelta = TimeDelta::minutes(10);
const PAGE: i64 = 200;
/// Why a submission that waited is not decided any more, as the merchant's own page would show it.
const CLOSED: &str = "商家已关闭";

/// Plans the end of a merchant that closes.
pub(super) async fn plan(tx: &mut TenantTx, closes_at: DateTime<Utc>) -> Result<Wake, StoreError> {
    let job = NewJob { name: NAME, key: "", payload: json!({}), due_at: closes_at + LATE };
    Ok(Wake::Job(jobs::insert(tx, &job).await?))
}

/// How it is with a merchant that was to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It goes on, or has ended before.
    Nothing,
    /// Its days are over only then.
    Later(DateTime<Utc>),
    /// It has ended now.
    Ended(Vec<Wake>),
}

/// Ends the merchant if its days are over.
///
/// # Errors
/// When the store fails; running it again goes on.
pub async fn run(engine: &Engine, ctx: &Ctx) -> Result<Ending, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let merchant = merchants::find(&mut tx).await?.ok_or(StoreError::NotFound("merchant"))?;
    let team = members::list(&mut tx).await?;
    tx.commit().await?;
    let due = match merchant.closes_at {
        Some(at) if merchant.ended_at.is_none() => at + LATE,
        _ => return Ok(Ending::Nothing),
    };
    if due > ctx.now {
        return Ok(Ending::Later(due));
    }
    for member in team.iter().filter(|member| member.is_sub_account) {
        close_sub_account(engine, ctx, member.user).await?;
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // No hand-over starts behind it.
    pauses::lock(&mut tx).await?;
    if !merchant_end::update_ended(&mut tx, ctx.now).await? {
        return Ok(Ending::Nothing);
    }
    // While there is somebody to tell.
    let wakes = tell_leaders(&mut tx, ctx, MerchantChange::Ended).await?;
    for owner in team.iter().filter(|member| member.role == Role::Owner) {
        account_recoveries::update_forgotten(&mut tx, owner.user, ctx.now).await?;
    }
    let detail = json!({
        "shops": disconnect_all(&mut tx, ctx).await?,
        "credentials": merchant_end::destroy_credentials(&mut tx).await?,
        "applications": merchant_end::destroy_applications(&mut tx, ctx.now).await?,
        "api_tokens": merchant_end::revoke_tokens(&mut tx, ctx.now).await?,
        "invitations": merchant_end::revoke_invitations(&mut tx, ctx.now).await?,
        "seats": merchant_end::delete_seats(&mut tx).await?,
        "verifications": merchant_end::destroy_verifications(&mut tx, CLOSED, ctx.now).await?,
    });
    merchant_end::delete_address(&mut tx).await?;
    acts::record(&mut tx, ctx, "merchant.end", ctx.merchant, detail).await?;
    tx.commit().await?;
    info!("A merchant that had closed has ended");
    Ok(Ending::Ended(wakes))
}

/// Disconnects every shop; returns how many were connected.
async fn disconnect_all(tx: &mut TenantTx, ctx: &Ctx) -> Result<usize, StoreError> {
    let (mut after, mut disconnected) = (None, 0);
    loop {
        let page = shops::list(tx, after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(disconnected) };
        after = Some(last.id);
        for row in page.iter().filter(|row| row.state != ShopState::Disconnected) {
            shops::update_state(tx, row.id, &ShopChange::Disconnect).await?;
            let detail = json!({
                "before": { "state": row.state, "stop_reason": row.stop_reason },
                "after": { "state": ShopState::Disconnected },
                "mall": row.mall_id,
            });
            acts::record(tx, ctx, "shop.disconnect", row.id, detail).await?;
            disconnected += 1;
        }
    }
}

/// Ends everything that logs a sub-account in, and forgets its name; one that has a seat with somebody else keeps both.
async fn close_sub_account(engine: &Engine, ctx: &Ctx, user: UserId) -> Result<(), StoreError> {
    let mut tx = engine.store.user_tx(MerchantId::PLATFORM, user).await?;
    match users::lock(&mut tx).await {
        Ok(()) => {}
        // Closed before.
        Err(StoreError::NotFound(_)) => return Ok(()),
        Err(error) => return Err(error),
    }
    if members::list_seats(&tx).await?.iter().any(|seat| seat.merchant != ctx.merchant) {
        return Ok(());
    }
    for purpose in LINKS {
        tokens::delete(&mut tx, purpose).await?;
    }
    factors::delete_all(&mut tx).await?;
    devices::delete_all(&mut tx).await?;
    sessions::update_all_ended(&mut tx, None, SessionEnd::Closed, ctx.now).await?;
    sessions::update_forgotten(&mut tx).await?;
    users::void_api_tokens(&mut tx, ctx.now).await?;
    users::update_closed(&mut tx, ctx.now).await?;
    tx.commit().await
}
