//! Refreshes a shop's tokens at most once per version, and tells the owner in time when a refresh does not help.
//!
//! ```text
//! claim (the version is marked as tried) ──► call ──► tokens      → stored over the version, by the holder only
//!                                                  ├► refused     → the owner must authorize; told at 20 %, 5 %, 0
//!                                                  ├► not made    → the version may be tried again, later
//!                                                  └► no answer   → the same refresh token once more
//! ```
//! The platform documents that a refresh does not extend a token's life (protocol 2.3), and practice differs by kind of
//! application, so the new `expires_at` is compared with the old one and nothing is assumed. Lives differ as much, from
//! a day to a year, so what is done ahead is done at shares of a life: at a quarter the refresh is tried, and where it
//! does not help the owner is told when a fifth is left, a twentieth, and nothing.
//!
//! A process that dies between call and store leaves its claim behind; after the deadline another one repeats the call
//! with the same refresh token, once.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{GatewayKind, JobId, ReasonCode, SecretText, ShopId, ShopState};
use kamiflow_store::credentials::{CredentialRow, NewTokens, RefreshClaim, RefreshEnd};
use kamiflow_store::jobs::NewJob;
use kamiflow_store::{StoreError, TenantTx, credentials, jobs, outbox, shops};
use serde_json::json;
use tracing::{info, warn};
use uuid::Uuid;

use crate::accounts::letter::{Addressed, Letter};
use crate::accounts::send_mail;
use crate::authorization_link;
use crate::connect_shop::Purpose;
use crate::ctx::Ctx;
use crate::engine::Engine;
use crate::market_trouble;
use crate::marketplace::{ErrorClass, MarketError, Tokens};
use crate::notices;
use crate::shop_access::{self, Shop};
use crate::tokens;

/// Name of the job that calls [`step`]; its payload is `{"shop": id}`.
pub const JOB: &str = "refresh_token.v1";
/// How long before their end tokens that live a day are refreshed, the shortest life there is.
pub const REFRESH_AHEAD: TimeDelta = TimeDelta::hours(6);
/// The life of tokens of which nobody knows when they were given.
const SHORTEST_LIFE: TimeDelta = TimeDelta::hours(24);
/// Until when nobody else may refresh; longer than a call can take.
const CLAIM_TIME: TimeDelta = TimeDelta::seconds(30);
/// When a refresh that could not be made is tried again, unless the platform says when.
const RETRY_AFTER: TimeDelta = TimeDelta::seconds(60);
/// A lifetime that grew by less was not extended.
const EXTENSION: TimeDelta = TimeDelta::seconds(60);
/// Tries to store tokens that the platform has given: losing them would cost the shop its authorization.
const STORE_TRIES: u32 = 6;

/// How a refresh ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refresh {
    /// There is a newer version, ours or another process's.
    Newer,
    /// Not now.
    Later(DateTime<Utc>),
    /// Only the owner's authorization helps.
    Refused,
}

/// How long tokens live altogether.
fn life(issued_at: Option<DateTime<Utc>>, expires_at: DateTime<Utc>) -> TimeDelta {
    issued_at.map_or(SHORTEST_LIFE, |issued_at| expires_at - issued_at).max(TimeDelta::zero())
}

/// When tokens are refreshed: as soon as a quarter of their life is left.
fn refresh_at(issued_at: Option<DateTime<Utc>>, expires_at: DateTime<Utc>) -> DateTime<Utc> {
    expires_at.checked_sub_signed(life(issued_at, expires_at) / 4).unwrap_or(expires_at)
}

/// Returns what an owner is told, and how long before the end.
pub(crate) fn reminders(issued_at: Option<DateTime<Utc>>, expires_at: DateTime<Utc>) -> [(&'static str, TimeDelta); 3] {
    let life = life(issued_at, expires_at);
    [("20%", life / 5), ("5%", life / 20), ("0", TimeDelta::zero())]
}

/// Plans the job that watches tokens given at a moment.
pub(crate) async fn plan(
    tx: &mut TenantTx,
    shop: ShopId,
    issued_at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<JobId, StoreError> {
    let (key, payload) = (shop.to_string(), json!({ "shop": shop }));
    let due_at = refresh_at(Some(issued_at), expires_at);
    jobs::insert(tx, &NewJob { name: JOB, key: &key, payload, due_at }).await
}

/// Does what is due about a shop's tokens; returns when to look again, `None` when an authorization must come first.
///
/// # Errors
/// When the store fails.
pub async fn step(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<Option<DateTime<Utc>>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = credentials::fetch(&mut tx, shop).await?;
    let state = shops::fetch(&mut tx, shop).await?.state;
    if row.dead_reason.is_some() || matches!(state, ShopState::Stopped | ShopState::Disconnected) {
        return Ok(None);
    }
    if row.needs_reauthorization_at.is_some() {
        let (next, is_told) = remind(&mut tx, ctx, shop, &row).await?;
        if is_told {
            mail_reminder(engine, &mut tx, ctx, (shop, row.expires_at)).await?;
        }
        tx.commit().await?;
        return Ok(next);
    }
    tx.commit().await?;
    let refresh_at = refresh_at(row.issued_at, row.expires_at);
    if ctx.now < refresh_at {
        return Ok(Some(refresh_at));
    }
    match refresh(engine, ctx, shop, row.token_version).await? {
        Refresh::Later(at) => Ok(Some(at)),
        // The next turn reads what there is now: a later end, or reminders.
        Refresh::Newer | Refresh::Refused => Ok(Some(ctx.now)),
    }
}

/// Refreshes one version, unless that was tried already.
///
/// # Errors
/// When the store fails.
pub async fn refresh(engine: &Engine, ctx: &Ctx, shop: ShopId, version: i64) -> Result<Refresh, StoreError> {
    loop {
        let holder = Uuid::now_v7();
        let now = engine.now();
        let claim = RefreshClaim { shop, version, holder, now, deadline: now + CLAIM_TIME };
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        let opened = shop_access::open(&tx, shop).await?;
        if opened.application_stopped {
            // The platform would refuse the application, which says nothing about the token.
            return Ok(Refresh::Later(now + RETRY_AFTER));
        }
        if !credentials::claim_refresh(&mut tx, &claim).await? {
            let row = credentials::fetch(&mut tx, shop).await?;
            let refresh = why_not(&mut tx, &claim, &row).await?;
            tx.commit().await?;
            return Ok(refresh);
        }
        let row = credentials::fetch(&mut tx, shop).await?;
        let refresh_token = open_refresh_token(&mut tx, &row).await?;
        tx.commit().await?;

        let answer = engine.market.refresh_tokens(&opened.access.application, &refresh_token).await;
        let retried = row.refresh_unknown_retries > 0;
        match settle(engine, ctx, &claim, Answered { shop: &opened, row: &row, answer, retried }).await? {
            Some(refresh) => return Ok(refresh),
            // Nobody knows: the same refresh token once more.
            None => continue,
        }
    }
}

/// Says why a claim was not given.
async fn why_not(tx: &mut TenantTx, claim: &RefreshClaim, row: &CredentialRow) -> Result<Refresh, StoreError> {
    if row.token_version > claim.version {
        return Ok(Refresh::Newer);
    }
    if let Some(until) = row.refresh_deadline.filter(|until| *until > claim.now) {
        return Ok(Refresh::Later(until));
    }
    if row.needs_reauthorization_at.is_none() && row.dead_reason.is_none() {
        // Two tries without an outcome, the second holder died too: there is no third.
        credentials::update_needs_reauthorization(tx, claim.shop, claim.version, row.expires_at).await?;
        tokens::need_person(tx, claim.shop, ReasonCode::ReauthorizationNeeded).await?;
    }
    Ok(Refresh::Refused)
}

/// What the platform said to a refresh.
struct Answered<'a> {
    shop: &'a Shop,
    row: &'a CredentialRow,
    answer: Result<Tokens, MarketError>,
    retried: bool,
}

/// Writes the outcome; `None` asks for the one repetition of a call without an answer.
async fn settle(
    engine: &Engine,
    ctx: &Ctx,
    claim: &RefreshClaim,
    answered: Answered<'_>,
) -> Result<Option<Refresh>, StoreError> {
    let refused = RefreshEnd::Refused { needs_reauthorization_at: answered.row.expires_at };
    let (end, refresh) = match answered.answer {
        Ok(tokens) if tokens.mall == answered.shop.access.mall => {
            return store_tokens(engine, ctx, claim, answered.row.expires_at, &tokens).await.map(Some);
        }
        Ok(tokens) => {
            warn!(shop.id = %claim.shop, "A refresh gave tokens of mall {} for shop `{}`", tokens.mall, claim.shop);
            (refused, Some(Refresh::Refused))
        }
        Err(error) => match error.class {
            ErrorClass::RetryLater | ErrorClass::NotSent | ErrorClass::StopApplication => {
                if error.class == ErrorClass::StopApplication {
                    market_trouble::stop_application(engine, answered.shop, &error).await?;
                }
                let after = error.after.and_then(|after| TimeDelta::from_std(after).ok()).unwrap_or(RETRY_AFTER);
                let retry_at = engine.now() + after;
                (RefreshEnd::NotMade { retry_at }, Some(Refresh::Later(retry_at)))
            }
            ErrorClass::OutcomeUnknown if !answered.retried => (RefreshEnd::Unknown, None),
            ErrorClass::OutcomeUnknown
            | ErrorClass::Reauthorize
            | ErrorClass::StopApi
            | ErrorClass::StopMall
            | ErrorClass::Rejected
            | ErrorClass::AlreadyDone
            | ErrorClass::NotFound => {
                warn!(shop.id = %claim.shop, error = %error,
                      "Shop `{}` must be authorized anew: its tokens cannot be refreshed", claim.shop);
                (refused, Some(Refresh::Refused))
            }
        },
    };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let held = credentials::update_refresh_ended(&mut tx, claim, end).await?;
    if held && refresh == Some(Refresh::Refused) {
        tokens::need_person(&mut tx, claim.shop, ReasonCode::ReauthorizationNeeded).await?;
    }
    tx.commit().await?;
    Ok(if held { refresh } else { Some(Refresh::Newer) })
}

/// Stores tokens, again and again while the database is away: nobody can get them a second time.
async fn store_tokens(
    engine: &Engine,
    ctx: &Ctx,
    claim: &RefreshClaim,
    old_end: DateTime<Utc>,
    tokens: &Tokens,
) -> Result<Refresh, StoreError> {
    let mut wait = Duration::from_millis(200);
    for _try in 1..STORE_TRIES {
        match store_once(engine, ctx, claim, old_end, tokens).await {
            // Writing again is safe after an unknown COMMIT too: the second one meets another version and does nothing.
            Err(error) if error.is_transient() || error.is_connection_lost() => {
                warn!(shop.id = %claim.shop, error = %error,
                      "New tokens of shop `{}` are not stored yet", claim.shop);
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            outcome => return outcome,
        }
    }
    store_once(engine, ctx, claim, old_end, tokens).await
}

async fn store_once(
    engine: &Engine,
    ctx: &Ctx,
    claim: &RefreshClaim,
    old_end: DateTime<Utc>,
    tokens: &Tokens,
) -> Result<Refresh, StoreError> {
    let extended = tokens.expires_at - old_end > EXTENSION;
    let new = NewTokens {
        access_token: &tokens.access_token,
        refresh_token: &tokens.refresh_token,
        expires_at: tokens.expires_at,
        refresh_expires_at: tokens.refresh_expires_at,
        scopes: &tokens.scopes,
        issued_at: engine.now(),
        levels: tokens.levels,
    };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let stored = credentials::update_refreshed(&mut tx, claim, &new, (!extended).then_some(tokens.expires_at)).await?;
    if stored && !extended {
        tokens::need_person(&mut tx, claim.shop, ReasonCode::ReauthorizationNeeded).await?;
    }
    tx.commit().await?;
    info!(shop.id = %claim.shop, "Refreshed the tokens of shop `{}`, which end {}", claim.shop, tokens.expires_at);
    Ok(Refresh::Newer)
}

async fn open_refresh_token(tx: &mut TenantTx, row: &CredentialRow) -> Result<SecretText, StoreError> {
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let plain = key.open(shops::REFRESH_TOKEN, row.id.as_uuid(), &row.refresh_token_sealed)?;
    String::from_utf8(plain.expose().to_vec())
        .map(SecretText::new)
        .map_err(|_bytes| StoreError::Corrupt("a refresh token is not text".to_owned()))
}

/// Tells the owner what is due to be told, and stops the shop at the end; returns when there is more to tell, and
/// whether something was told now.
async fn remind(
    tx: &mut TenantTx,
    ctx: &Ctx,
    shop: ShopId,
    row: &CredentialRow,
) -> Result<(Option<DateTime<Utc>>, bool), StoreError> {
    let mut latest = None;
    let mut next = None;
    for (name, before) in reminders(row.issued_at, row.expires_at) {
        let at = row.expires_at - before;
        if at > ctx.now {
            next = next.or(Some(at));
        } else if credentials::update_reminded(tx, shop, name).await? {
            // Of several that are due at once the last one says it all.
            latest = Some(name);
        }
    }
    if let Some(left) = latest {
        let payload = json!({ "kind": "reauthorization", "shop": shop, "left": left, "ends_at": row.expires_at });
        outbox::push(tx, "notify", payload).await?;
    }
    if next.is_none() {
        credentials::update_dead(tx, shop, row.token_version, "expired").await?;
        tokens::stop(tx, ctx.now, shop, ReasonCode::ReauthorizationNeeded).await?;
    }
    Ok((next, latest.is_some()))
}

/// Writes to the address for notices, or to the owners, with a link by which the main account authorizes anew on any phone: good once, and
/// for this mall. The mail is found by the workers' next sweep.
async fn mail_reminder(
    engine: &Engine,
    tx: &mut TenantTx,
    ctx: &Ctx,
    (shop, ends_at): (ShopId, DateTime<Utc>),
) -> Result<(), StoreError> {
    let Some(site) = &engine.config.site else { return Ok(()) };
    let receivers = notices::receivers(tx).await?;
    if receivers.is_empty() {
        return Ok(());
    }
    let row = shops::fetch(tx, shop).await?;
    // Nobody is called to a shop that reaches nobody.
    if row.gateway == GatewayKind::Sandbox {
        return Ok(());
    }
    let asked = (row.application, Purpose::Reauthorize(shop), authorization_link::VALID_FOR);
    let made = authorization_link::issue(engine, tx, ctx, asked).await?;
    let link = format!("{site}/authorize/{}", made.token.expose());
    let letter = Letter::TokenEnding { shop: row.name, ends_at, link };
    let useful_for = authorization_link::VALID_FOR.to_std().unwrap_or_default();
    for (to, locale) in receivers {
        let mail = Addressed { to, locale, letter: letter.clone() };
        send_mail::plan(tx, &mail, ctx.now, useful_for).await?;
    }
    Ok(())
}
