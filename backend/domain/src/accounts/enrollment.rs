//! A start from nothing by a link: a password, then a code generator, then recovery codes.
//!
//! ```text
//! link ──► begin: password, seed ──► finish: first code ──► recovery codes; the link is used up
//! ```
//! Both steps return the open transaction of the link's user: whoever calls adds what follows from it, and commits.
//! Until the second step the link stays good, so that who lost the page with the seed begins again.

use std::time::Duration;

use kamiflow_kernel::{MerchantId, SecretText};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users::{self, PasswordKind};
use kamiflow_store::{StoreError, UserTx};

use super::password::{self, HashError, PasswordRefused};
use super::throttle::{self, Passage, ThrottleDown};
use super::totp::{self, TotpSeed};
use super::{Accounts, Visit, one_time};

/// Why a link did not lead on.
#[derive(Debug, thiserror::Error)]
pub enum EnrollError {
    /// The password is refused.
    #[error(transparent)]
    New(#[from] PasswordRefused),
    /// The link is unknown, too old or used.
    #[error("this link is not good any more")]
    TokenRefused,
    /// The code is not the seed's now.
    #[error("the code is wrong: look whether the clock of the phone is right")]
    WrongCode,
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
    #[error("the account could not be read or written")]
    Store(#[from] StoreError),
}

/// A link.
#[derive(Clone, Copy)]
pub(super) struct Link<'a> {
    pub(super) purpose: TokenPurpose,
    pub(super) token: &'a SecretText,
    /// The merchant whose transaction the second step is; the first is always the platform's, whose key seals the seed.
    pub(super) home: MerchantId,
}

impl<'a> Link<'a> {
    /// Returns a link that is about no merchant.
    pub(super) const fn of_platform(purpose: TokenPurpose, token: &'a SecretText) -> Self {
        Self { purpose, token, home: MerchantId::PLATFORM }
    }
}

/// What whoever follows a link chooses.
pub struct Chosen {
    /// The new password.
    pub password: SecretText,
    /// The first code of the new generator.
    pub code: SecretText,
}

/// Makes a seed that waits for its first code. Until it has come, the account is as it was: a password alone would open
/// one without a second factor.
pub(super) async fn begin(
    accounts: &Accounts,
    visit: &Visit,
    link: Link<'_>,
) -> Result<(UserTx, TotpSeed), EnrollError> {
    let mut tx = follow(accounts, visit, Link { home: MerchantId::PLATFORM, ..link }).await?;
    let login = users::fetch(&mut tx).await?.login;
    let seed = totp::plant(&mut tx, &login, visit.now).await?;
    Ok((tx, seed))
}

/// Takes the first code, sets the password, uses the link up, and makes recovery codes.
pub(super) async fn finish(
    accounts: &Accounts,
    visit: &Visit,
    link: Link<'_>,
    chosen: Chosen,
) -> Result<(UserTx, Vec<SecretText>), EnrollError> {
    let password = password::check(chosen.password)?;
    let mut tx = follow(accounts, visit, link).await?;
    totp::take_first(&mut tx, &chosen.code, visit.now).await?.ok_or(EnrollError::WrongCode)?;
    let hash = accounts.hasher.hash(password.secret()).await?;
    users::update_password(&mut tx, &hash, PasswordKind::Chosen, visit.now).await?;
    let codes = totp::replace_codes(&mut tx, visit.now).await?;
    // This one and all others that were made.
    tokens::delete(&mut tx, link.purpose).await?;
    Ok((tx, codes))
}

/// Begins a transaction of the user whose link it is, and keeps others who follow it waiting.
async fn follow(
    accounts: &Accounts,
    visit: &Visit,
    Link { purpose, token, home }: Link<'_>,
) -> Result<UserTx, EnrollError> {
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&throttle::of_requests("enroll", visit)).await? {
        return Err(EnrollError::TooMany { retry_after });
    }
    let (user, hash) = one_time::whose(&accounts.store, token).await?.ok_or(EnrollError::TokenRefused)?;
    let mut tx = accounts.store.user_tx(home, user).await?;
    match tokens::lock(&mut tx, purpose, &hash, visit.now).await? {
        Some(_row) => Ok(tx),
        None => Err(EnrollError::TokenRefused),
    }
}
