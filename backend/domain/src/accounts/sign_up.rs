//! Signs a merchant up: writes the sign-up down and a mail to the address. Nothing of an account exists before the link
//! in it is used.
//!
//! For an address that has an account the same statements write the same rows, and the mail says so instead. Nobody
//! who does not read that mail learns the difference.

use std::time::Duration;

use kamiflow_kernel::{
    EmailAddress, EmailAddressError, Locale, LoginName, MerchantId, NewPassword, SecretBytes, SecretText, SignUpId,
};
use kamiflow_store::accounts::lookup;
use kamiflow_store::sign_ups::{self, NewSignUp};
use kamiflow_store::{Store, StoreError};
use serde::{Deserialize, Serialize};

use super::letter::{Addressed, Letter};
use super::password::{self, HashError, PasswordRefused};
use super::secrets::fresh;
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, after, send_mail};

/// Life of the link in the mail.
pub(super) const CONFIRM_FOR: Duration = Duration::from_secs(24 * 60 * 60);

/// What somebody typed.
#[derive(Debug, Clone)]
pub struct SignUp {
    /// The address.
    pub email: String,
    /// The password.
    pub password: SecretText,
    /// The merchant's name.
    pub merchant_name: String,
}

/// Why a sign-up was not taken. None of them says anything about the address.
#[derive(Debug, thiserror::Error)]
pub enum SignUpError {
    /// The address is none.
    #[error(transparent)]
    Email(#[from] EmailAddressError),
    /// The password is refused.
    #[error(transparent)]
    Password(#[from] PasswordRefused),
    /// The merchant's name is empty or longer than 120 characters.
    #[error("a merchant's name has 1 to 120 characters")]
    MerchantName,
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
    #[error("the sign-up could not be stored")]
    Store(#[from] StoreError),
}

/// What becomes of a sign-up when it is confirmed; sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Pending {
    pub(super) password_hash: String,
    pub(super) merchant_name: String,
    pub(super) locale: Locale,
}

/// Takes a sign-up and sends a mail to the address.
///
/// # Errors
/// When what was typed cannot be taken; the same for every address.
pub async fn sign_up(accounts: &Accounts, visit: &Visit, request: SignUp) -> Result<(), SignUpError> {
    let email: EmailAddress = request.email.parse()?;
    let typed = check(request)?;
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("sign-up", visit)).await? {
        return Err(SignUpError::TooMany { retry_after });
    }
    let login = LoginName::from(email.clone());
    let silent = accounts.throttle.pass(&throttle::of_mails("sign-up", &login)).await? != Passage::Open;
    let pending = hash(accounts, visit, typed).await?;
    let known = is_known(&accounts.store, &login).await?;

    let mut tx = accounts.store.tenant_tx(MerchantId::PLATFORM).await?;
    let token = fresh();
    let contents = serde_json::to_vec(&pending).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    let row = NewSignUp {
        id: SignUpId::generate(),
        login: &login,
        token_hash: &token.hash,
        contents: &SecretBytes::new(contents),
        at: visit.now,
        expires_at: after(visit.now, CONFIRM_FOR),
    };
    sign_ups::insert(&mut tx, &row).await?;
    let base = &accounts.config.base_url;
    let letter = match (silent, known) {
        (true, _) => Letter::Nothing { filler: format!("{base}/confirm?token={}", token.secret.expose()) },
        // The token of this sign-up is told to nobody.
        (false, true) => Letter::KnownAddress { link: format!("{base}/log-in") },
        (false, false) => Letter::ConfirmEmail { link: format!("{base}/confirm?token={}", token.secret.expose()) },
    };
    let mail = Addressed { to: email, locale: visit.locale, letter };
    let wake = send_mail::plan(&mut tx, &mail, visit.now, CONFIRM_FOR).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &[wake]).await;
    Ok(())
}

/// Refuses a password and a name that cannot be taken, before anything is worked on.
pub(super) fn check(request: SignUp) -> Result<(NewPassword, String), SignUpError> {
    let password = password::check(request.password)?;
    let merchant_name = one_line(&request.merchant_name, 120).ok_or(SignUpError::MerchantName)?;
    Ok((password, merchant_name))
}

/// Hashes the password; what is left is what an account is made of.
pub(super) async fn hash(
    accounts: &Accounts,
    visit: &Visit,
    (password, merchant_name): (NewPassword, String),
) -> Result<Pending, SignUpError> {
    let password_hash = accounts.hasher.hash(password.secret()).await?;
    Ok(Pending { password_hash: password_hash.expose().to_owned(), merchant_name, locale: visit.locale })
}

/// Returns whether somebody logs in with this name.
pub(super) async fn is_known(store: &Store, login: &LoginName) -> Result<bool, StoreError> {
    // Nobody is known yet; the answer decides about the words of a mail to that very address.
    let mut tx = store.system_tx().await?;
    let found = lookup::find_login(&mut tx, login).await?;
    tx.commit().await?;
    Ok(found.is_some())
}

/// Returns a text without control characters and blanks around it, if it is neither empty nor too long.
pub(crate) fn one_line(text: &str, most: usize) -> Option<String> {
    let text: String = text.chars().filter(|c| !c.is_control()).collect();
    let text = text.trim();
    (1..=most).contains(&text.chars().count()).then(|| text.to_owned())
}
