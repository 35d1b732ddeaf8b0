//! Logs somebody in by name and password; who has a second factor goes on with [`super::second_step`].
//!
//! A name that nobody has, one that is not confirmed and a wrong password are one answer after the same work: the same
//! gates, the same questions to the database, one comparison of a password.

use std::time::Duration;

use kamiflow_kernel::{LoginName, MerchantId, SecretText};
use kamiflow_store::accounts::tokens::TokenPurpose;
use kamiflow_store::accounts::{factors, lookup, users};
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;

use super::new_session::{NewSession, Proven, begin};
use super::password::HashError;
use super::second_step::FirstStep;
use super::secrets::Fresh;
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, device, one_time};

/// How long the second step may take.
const SECOND_STEP_FOR: Duration = Duration::from_secs(10 * 60);

/// What somebody typed, and the browser's own token.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// An address, or `name@merchant-code`.
    pub login: String,
    /// The password.
    pub password: SecretText,
    /// The token the browser is known by, if it has one.
    pub device: Option<SecretText>,
}

/// How a log-in goes on.
#[derive(Debug, Clone)]
pub enum LoggedIn {
    /// A session has begun.
    Done(Box<NewSession>),
    /// A second factor is asked for.
    SecondStep(SecondStep),
}

/// What the second step needs.
#[derive(Debug, Clone)]
pub struct SecondStep {
    /// Proves the first step, for ten minutes; good once.
    pub challenge: SecretText,
    /// Whether a code generator will do.
    pub totp: bool,
    /// Whether a passkey will do.
    pub passkey: bool,
    /// Whether a recovery code will do.
    pub recovery: bool,
}

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum LogInError {
    /// The name is unknown or not confirmed, or the password is wrong: nobody is told which.
    #[error("the name or the password is wrong")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The password could not be compared.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the account could not be read")]
    Store(#[from] StoreError),
}

/// Logs somebody in, or says how to go on.
///
/// # Errors
/// See [`LogInError`].
pub async fn log_in(accounts: &Accounts, visit: &Visit, request: LogIn) -> Result<LoggedIn, LogInError> {
    let Ok(login) = request.login.parse::<LoginName>() else {
        // No name of anybody's, so there is nothing to hide.
        return Err(LogInError::Wrong);
    };
    let device = device::of(request.device.as_ref());
    let found = find(accounts, &login).await?;
    let gates = if device::is_known(&accounts.store, found.as_ref(), &device.hash).await? {
        throttle::of_known_browser(&login, &device.hash)
    } else {
        throttle::of_place(&login, visit)
    };
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(LogInError::TooMany { retry_after });
    }
    let stored = found.as_ref().map(|login| &login.password_hash);
    let matches = accounts.hasher.verify(&request.password, stored).await?;
    let Some(account) = found.filter(|_login| matches) else { return Err(LogInError::Wrong) };
    accounts.throttle.forgive(&gates).await;

    let merchant = account.merchant.unwrap_or(MerchantId::PLATFORM);
    let mut tx = accounts.store.user_tx(merchant, account.user).await?;
    if accounts.hasher.is_outdated(&account.password_hash) {
        let hash = accounts.hasher.hash(&request.password).await?;
        users::update_password(&mut tx, &hash, users::PasswordKind::Rehashed, visit.now).await?;
    }
    if let Some(step) = second_step_of(&mut tx, visit, account.merchant).await? {
        tx.commit().await?;
        return Ok(LoggedIn::SecondStep(step));
    }
    finish(accounts, visit, tx, (account.merchant, device)).await
}

async fn finish(
    accounts: &Accounts,
    visit: &Visit,
    mut tx: UserTx,
    (merchant, device): (Option<MerchantId>, Fresh),
) -> Result<LoggedIn, LogInError> {
    let home = tx.tenant().merchant();
    let proven = Proven { device, merchant, second_factor: false };
    let (session, wakes) = begin(accounts, visit, &mut tx, proven).await?;
    tx.commit().await?;
    accounts.wakes.wake(home, &wakes).await;
    Ok(LoggedIn::Done(Box::new(session)))
}

async fn find(accounts: &Accounts, login: &LoginName) -> Result<Option<lookup::Login>, StoreError> {
    // Nobody is known yet; one name is looked up.
    let mut tx = accounts.store.system_tx().await?;
    let found = lookup::find_login(&mut tx, login).await?;
    tx.commit().await?;
    Ok(found)
}

async fn second_step_of(
    tx: &mut UserTx,
    visit: &Visit,
    merchant: Option<MerchantId>,
) -> Result<Option<SecondStep>, StoreError> {
    let known = factors::list(tx).await?;
    if known.is_empty() {
        return Ok(None);
    }
    let recovery = factors::count_recovery_codes(tx).await? > 0;
    let challenge =
        one_time::issue(tx, TokenPurpose::SecondStep, json!(FirstStep { merchant }), visit.now, SECOND_STEP_FOR)
            .await?;
    Ok(Some(SecondStep {
        challenge,
        totp: known.iter().any(|factor| factor.kind == "totp"),
        passkey: known.iter().any(|factor| factor.kind == "passkey"),
        recovery,
    }))
}
