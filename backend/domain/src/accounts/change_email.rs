//! Moves an account to another address: both addresses confirm, in any order, within an hour.

use std::time::Duration;

use kamiflow_kernel::{EmailAddress, EmailAddressError, LoginName, MerchantId, SecretText};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users;
use kamiflow_store::{StoreError, UserTx};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::letter::{Addressed, Letter};
use super::new_session::record;
use super::sign_up::is_known;
use super::sudo::{self, SudoNeeded};
use super::throttle::{self, Passage, ThrottleDown};
use super::{Account, Accounts, Visit, one_time, send_mail};

const CHANGE_FOR: Duration = Duration::from_secs(60 * 60);

/// Which of the two addresses a token was sent to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Side {
    Old,
    New,
}

#[derive(Debug, Serialize, Deserialize)]
struct Change {
    to: EmailAddress,
    side: Side,
    /// Names both halves of one request.
    request: uuid::Uuid,
}

/// How far a change of address is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EmailChange {
    /// The other address has to confirm as well.
    Half,
    /// The account has its new address.
    Done(EmailAddress),
}

/// Why an address was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeEmailError {
    /// It asks for a fresh proof.
    #[error(transparent)]
    Sudo(#[from] SudoNeeded),
    /// The address is none.
    #[error(transparent)]
    Email(#[from] EmailAddressError),
    /// Staff without an address have none to change.
    #[error("this account has no e-mail address")]
    NoEmail,
    /// The link is unknown, too old or used.
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
    #[error("the address could not be changed")]
    Store(#[from] StoreError),
}

/// Sends a link to both addresses. Whether the new one has an account is told to nobody: its link then changes nothing.
///
/// # Errors
/// See [`ChangeEmailError`].
pub async fn request_email_change(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    to: &str,
) -> Result<(), ChangeEmailError> {
    sudo::require(account, visit)?;
    let to: EmailAddress = to.parse()?;
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("email", visit)).await? {
        return Err(ChangeEmailError::TooMany { retry_after });
    }
    let login = LoginName::from(to.clone());
    let silent = accounts.throttle.pass(&throttle::of_mails("email", &login)).await? != Passage::Open;
    let taken = is_known(&accounts.store, &login).await?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, account.user).await?;
    let row = users::fetch(&mut tx).await?;
    let from = row.email.ok_or(ChangeEmailError::NoEmail)?;
    tokens::delete(&mut tx, TokenPurpose::ChangeEmail).await?;
    let request = uuid::Uuid::now_v7();
    let leave = link(accounts, visit, &mut tx, &Change { to: to.clone(), side: Side::Old, request }).await?;
    let enter = link(accounts, visit, &mut tx, &Change { to: to.clone(), side: Side::New, request }).await?;
    let letter = if taken || silent { Letter::Nothing { filler: enter } } else { Letter::EnterEmail { link: enter } };
    let detail = json!({ "before": from.masked(), "asked_for": to.masked() });
    let mails = [
        Addressed { to: from, locale: row.locale, letter: Letter::LeaveEmail { to: to.clone(), link: leave } },
        Addressed { to, locale: row.locale, letter },
    ];
    let mut wakes = Vec::new();
    for mail in &mails {
        wakes.push(send_mail::plan(tx.tenant(), mail, visit.now, CHANGE_FOR).await?);
    }
    record(&mut tx, visit, "account.email_change_request", detail).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &wakes).await;
    Ok(())
}

async fn link(accounts: &Accounts, visit: &Visit, tx: &mut UserTx, change: &Change) -> Result<String, StoreError> {
    let payload = serde_json::to_value(change).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let token = one_time::issue(tx, TokenPurpose::ChangeEmail, payload, visit.now, CHANGE_FOR).await?;
    Ok(format!("{}/change-email?token={}", accounts.config.base_url, token.expose()))
}

/// Confirms one of the two addresses; the second confirmation changes the account.
///
/// # Errors
/// When the link is not good, the address was taken meanwhile, or the store fails.
pub async fn confirm_email_change(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
) -> Result<EmailChange, ChangeEmailError> {
    let (user, hash) = one_time::whose(&accounts.store, token).await?.ok_or(ChangeEmailError::TokenRefused)?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let unused = tokens::lock_unused(&mut tx, TokenPurpose::ChangeEmail).await?;
    let row = tokens::lock(&mut tx, TokenPurpose::ChangeEmail, &hash, visit.now).await?;
    let row = row.ok_or(ChangeEmailError::TokenRefused)?;
    let change: Change = serde_json::from_value(row.payload)
        .map_err(|error| StoreError::Corrupt(format!("a change of address cannot be read: {error}")))?;
    tokens::update_used(&mut tx, row.id, visit.now).await?;
    if unused > 1 {
        tx.commit().await?;
        return Ok(EmailChange::Half);
    }
    let before = users::fetch(&mut tx).await?.email;
    users::update_email(&mut tx, &change.to).await.map_err(|error| match error.constraint() {
        Some("users_login_once") => ChangeEmailError::TokenRefused,
        _ => error.into(),
    })?;
    tokens::delete(&mut tx, TokenPurpose::ResetPassword).await?;
    let detail = json!({ "before": before.map(|before| before.masked()), "after": change.to.masked() });
    record(&mut tx, visit, "account.email_change", detail).await?;
    tx.commit().await?;
    Ok(EmailChange::Done(change.to))
}
