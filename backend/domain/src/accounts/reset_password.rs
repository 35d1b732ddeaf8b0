//! A forgotten password: a link by mail, good once and for an hour, and a new password.
//!
//! The second factor stays: who reads somebody's mail is not somebody. Staff without e-mail ask their owner.

use std::time::Duration;

use kamiflow_kernel::{EmailAddress, EmailAddressError, LoginName, MerchantId, SecretText, UserId};
use kamiflow_store::StoreError;
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, NewToken, TokenPurpose};
use kamiflow_store::accounts::users::{self, PasswordKind};
use kamiflow_store::accounts::{devices, lookup};
use serde_json::json;
use uuid::Uuid;

use super::even::evenly;
use super::letter::{Addressed, Letter};
use super::new_session::record;
use super::password::{self, HashError, PasswordRefused};
use super::secrets::fresh;
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, after, one_time, send_mail, told};

const RESET_FOR: Duration = Duration::from_secs(60 * 60);

/// Why no link was asked for, or no password was set.
#[derive(Debug, thiserror::Error)]
pub enum ResetPasswordError {
    /// The address is none.
    #[error(transparent)]
    Email(#[from] EmailAddressError),
    /// The new password is refused.
    #[error(transparent)]
    New(#[from] PasswordRefused),
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
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the password could not be stored")]
    Store(#[from] StoreError),
}

/// Sends a link to an address, if somebody logs in with it; the answer, the work and the time are the same if nobody does.
///
/// # Errors
/// When the text is no address, too many are asked for, or the store fails.
pub async fn request_password_reset(accounts: &Accounts, visit: &Visit, email: &str) -> Result<(), ResetPasswordError> {
    let email: EmailAddress = email.parse()?;
    evenly(send_link(accounts, visit, email)).await
}

async fn send_link(accounts: &Accounts, visit: &Visit, email: EmailAddress) -> Result<(), ResetPasswordError> {
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("reset", visit)).await? {
        return Err(ResetPasswordError::TooMany { retry_after });
    }
    let login = LoginName::from(email.clone());
    let silent = accounts.throttle.pass(&throttle::of_mails("reset", &login)).await? != Passage::Open;
    // Nobody is known yet; one name is looked up.
    let mut lookup_tx = accounts.store.system_tx().await?;
    let found = lookup::find_login(&mut lookup_tx, &login).await?.filter(|_login| !silent);
    lookup_tx.commit().await?;

    let user = found.as_ref().map_or(UserId::from_uuid(Uuid::nil()), |login| login.user);
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let token = fresh();
    let link = format!("{}/reset?token={}", accounts.config.base_url, token.secret.expose());
    let letter = if found.is_some() {
        let purpose = TokenPurpose::ResetPassword;
        let expires_at = after(visit.now, RESET_FOR);
        let new = NewToken { purpose, hash: &token.hash, payload: json!({}), at: visit.now, expires_at };
        tokens::insert(&mut tx, &new).await?;
        Letter::ResetPassword { link }
    } else {
        // A statement as dear as the other.
        tokens::delete(&mut tx, TokenPurpose::ResetPassword).await?;
        Letter::Nothing { filler: link }
    };
    let mail = Addressed { to: email, locale: visit.locale, letter };
    let wake = send_mail::plan(tx.tenant(), &mail, visit.now, RESET_FOR).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &[wake]).await;
    Ok(())
}

/// Sets a new password by the token of a mail; all devices are signed out and forgotten.
///
/// # Errors
/// When the token is not good, the password is refused, or the store fails.
pub async fn reset_password(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
    new: SecretText,
) -> Result<(), ResetPasswordError> {
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("reset", visit)).await? {
        return Err(ResetPasswordError::TooMany { retry_after });
    }
    let new = password::check(new)?;
    let (user, hash) = one_time::whose(&accounts.store, token).await?.ok_or(ResetPasswordError::TokenRefused)?;
    let hashed = accounts.hasher.hash(new.secret()).await?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let row = tokens::lock(&mut tx, TokenPurpose::ResetPassword, &hash, visit.now).await?;
    if row.is_none() {
        return Err(ResetPasswordError::TokenRefused);
    }
    // This one and all others that were sent.
    tokens::delete(&mut tx, TokenPurpose::ResetPassword).await?;
    tokens::delete(&mut tx, TokenPurpose::SecondStep).await?;
    tokens::delete(&mut tx, TokenPurpose::ChangeEmail).await?;
    users::update_password(&mut tx, &hashed, PasswordKind::Chosen, visit.now).await?;
    users::void_api_tokens(&mut tx, visit.now).await?;
    let ended = sessions::update_all_ended(&mut tx, None, SessionEnd::Reset, visit.now).await?;
    devices::delete_all(&mut tx).await?;
    let wakes = told::own(&mut tx, visit, Letter::PasswordChanged { at: visit.now }).await?;
    record(&mut tx, visit, "account.password_reset", json!({ "signed_out": ended })).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &wakes).await;
    Ok(())
}
