//! An owner who lost everything: password, second factor, perhaps the mailbox.
//!
//! ```text
//! ask: address and verified number ─► mails to the team ─► the staff decides ─► mails ─ 72 h ─► link ─► password, factor
//!                                        └────── anybody of the team who governs stops it by a link ──────┘
//! ```
//! The number that the merchant was verified with must be known, or nothing happens, and nobody is told whether it did: the
//! answer is the same for an address that nobody has. The account keeps its log-in name; the link goes to the address that
//! was asked for, after every owner and admin was told twice and three days have passed.

pub mod decide;
pub mod finish;
pub mod link;

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_kernel::{EmailAddress, EmailAddressError, LoginName, MerchantId, RecoveryId, Role, SecretText, UserId};
use kamiflow_store::account_recoveries::{self, NewRecovery, Recoverable, RecoveryEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::audit::{self, NewAudit};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx, merchants};
use serde_json::json;

use super::even::evenly;
use super::letter::{Addressed, Letter, RecoveryStep};
use super::secrets::{fresh, hash_of};
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, send_mail};
use crate::engine::Wake;
use crate::teams;
use crate::verification::hash_as_submitted;

/// How long the team may stop what was approved.
pub const WAIT: TimeDelta = TimeDelta::hours(72);
/// Mails about it are worth reading for so long.
const NEWS_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// What somebody says who lost everything.
#[derive(Debug, Clone)]
pub struct AskRecovery {
    /// The address that was typed to log in.
    pub login: String,
    /// Where the link shall go.
    pub contact: String,
    /// The number that the merchant was verified with.
    pub number: SecretText,
}

/// Why a recovery was not asked for, or not stopped.
#[derive(Debug, thiserror::Error)]
pub enum RecoveryError {
    /// The log-in name is no address.
    #[error("the log-in name is not an e-mail address")]
    Login(#[source] EmailAddressError),
    /// The other address is none.
    #[error(transparent)]
    Contact(#[from] EmailAddressError),
    /// This is nobody's number.
    #[error("this is no resident identity number and no credit code")]
    Number,
    /// The link stops nothing any more.
    #[error("this link is not good any more")]
    TokenRefused,
    /// Too many from one place.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The store failed.
    #[error("the recovery could not be read or written")]
    Store(#[from] StoreError),
}

/// Asks to be let in again. Whether there is such an owner, the answer does not tell.
///
/// # Errors
/// When what was typed cannot be, too many are asked for, or the store fails.
pub async fn ask_recovery(accounts: &Accounts, visit: &Visit, request: &AskRecovery) -> Result<(), RecoveryError> {
    let login = request.login.parse::<EmailAddress>().map(LoginName::from).map_err(RecoveryError::Login)?;
    let contact: EmailAddress = request.contact.parse()?;
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("recovery", visit)).await? {
        return Err(RecoveryError::TooMany { retry_after });
    }
    let hash = hash_as_submitted(&accounts.store, request.number.expose(), visit.now).await?;
    let hash = hash.ok_or(RecoveryError::Number)?;
    // Nobody is known yet; one name is looked up, with a number that hardly anybody but its owner knows.
    let mut tx = accounts.store.system_tx().await?;
    let found = account_recoveries::find_recoverable(&mut tx, &login, &hash).await?;
    tx.commit().await?;
    // Whoever guesses does not use up what the owner has.
    let line = if found.is_some() { "recovery" } else { "recovery-wrong" };
    let is_silent = accounts.throttle.pass(&throttle::of_mails(line, &login)).await? != Passage::Open;
    evenly(async {
        match found.filter(|_owner| !is_silent) {
            Some(owner) => write(accounts, visit, owner, contact).await,
            None => write_nothing(accounts, visit, contact).await,
        }
    })
    .await
}

/// Writes the request down and tells the team; a second one while the first is open changes nothing.
async fn write(
    accounts: &Accounts,
    visit: &Visit,
    owner: Recoverable,
    contact: EmailAddress,
) -> Result<(), RecoveryError> {
    let (id, stop) = (RecoveryId::generate(), fresh());
    let mut tx = accounts.store.tenant_tx(owner.merchant).await?;
    let site = &accounts.config.base_url;
    let new = NewRecovery { id, owner: owner.user, contact: &contact, site, stop_hash: &stop.hash, at: visit.now };
    match account_recoveries::insert(&mut tx, &new).await {
        // As long as it takes for nobody: it is not told that one is open.
        Err(error) if error.constraint() == Some("account_recoveries_one_open") => {
            drop(tx);
            return write_nothing(accounts, visit, contact).await;
        }
        inserted => inserted?,
    }
    let news = News { owner: owner.user, step: RecoveryStep::Asked, stop: Some((site, &stop.secret)) };
    let wakes = tell_team(&mut tx, visit.now, &news).await?;
    record(&mut tx, visit, "account.recovery_ask", id).await?;
    tx.commit().await?;
    accounts.wakes.wake(owner.merchant, &wakes).await;
    Ok(())
}

/// As much as can be done for nobody: a mail that is never sent.
async fn write_nothing(accounts: &Accounts, visit: &Visit, to: EmailAddress) -> Result<(), RecoveryError> {
    let mut tx = accounts.store.tenant_tx(MerchantId::PLATFORM).await?;
    let letter = Letter::Nothing { filler: stop_link(&accounts.config.base_url, &fresh().secret) };
    let mail = Addressed { to, locale: visit.locale, letter };
    let wake = send_mail::plan(&mut tx, &mail, visit.now, NEWS_FOR).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &[wake]).await;
    Ok(())
}

/// Stops a recovery by the link of a mail, also when its own link was sent already.
///
/// # Errors
/// When the link stops nothing any more, or the store fails.
pub async fn stop_recovery(accounts: &Accounts, visit: &Visit, token: &SecretText) -> Result<(), RecoveryError> {
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("recovery", visit)).await? {
        return Err(RecoveryError::TooMany { retry_after });
    }
    // Nobody need be logged in; one recovery is told for the hash of 256 random bits.
    let mut tx = accounts.store.system_tx().await?;
    let found = account_recoveries::find_by_stop(&mut tx, &hash_of(token)).await?;
    tx.commit().await?;
    let found = found.ok_or(RecoveryError::TokenRefused)?;
    let mut tx = accounts.store.tenant_tx(found.merchant).await?;
    let owner = account_recoveries::lock(&mut tx, found.recovery).await?.owner;
    tx.commit().await?;
    let mut tx = accounts.store.user_tx(found.merchant, owner).await?;
    if !account_recoveries::update_ended(tx.tenant(), found.recovery, RecoveryEnd::Stopped, visit.now).await? {
        return Err(RecoveryError::TokenRefused);
    }
    tokens::delete(&mut tx, TokenPurpose::RecoverAccount).await?;
    let news = News { owner, step: RecoveryStep::Stopped, stop: None };
    let wakes = tell_team(tx.tenant(), visit.now, &news).await?;
    record(tx.tenant(), visit, "account.recovery_stop", found.recovery).await?;
    tx.commit().await?;
    accounts.wakes.wake(found.merchant, &wakes).await;
    Ok(())
}

/// What the team is told.
struct News<'a> {
    owner: UserId,
    step: RecoveryStep,
    /// What links begin with, and the token that stops it.
    stop: Option<(&'a str, &'a SecretText)>,
}

/// Writes to every owner and admin who has an address, the owner it is about among them.
async fn tell_team(
    tx: &mut TenantTx,
    at: chrono::DateTime<chrono::Utc>,
    news: &News<'_>,
) -> Result<Vec<Wake>, StoreError> {
    let merchant = merchants::find(tx).await?.map_or_else(String::new, |row| row.name);
    let team = members::list(tx).await?;
    let account = team.into_iter().find(|member| member.user == news.owner);
    let account = account.and_then(|member| member.login.parse::<EmailAddress>().ok());
    let letter = Letter::AccountRecovery {
        merchant,
        account: account.map(|address| address.masked()).unwrap_or_default(),
        step: news.step,
        at,
        link: news.stop.map(|(site, token)| stop_link(site, token)),
    };
    teams::write_to(tx, at, &[Role::Owner, Role::Admin], &letter).await
}

fn stop_link(site: &str, token: &SecretText) -> String {
    format!("{site}/recover/stop?token={}", token.expose())
}

/// An act of somebody who is not logged in, in the merchant's log.
async fn record(tx: &mut TenantTx, visit: &Visit, action: &'static str, id: RecoveryId) -> Result<(), StoreError> {
    let (target, place) = (id.to_string(), visit.ip_prefix());
    let act = NewAudit {
        actor: "link",
        action,
        target: &target,
        request_id: &visit.request_id,
        ip: &place,
        detail: json!({}),
        at: visit.now,
    };
    audit::insert(tx, &act).await
}
