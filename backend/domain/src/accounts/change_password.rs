//! Chooses another password; all other devices are signed out.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{NewPassword, SecretText};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users::{self, PasswordKind};
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;

use super::letter::Letter;
use super::new_session::record;
use super::password::{self, HashError, PasswordRefused};
use super::throttle::{self, Passage, ThrottleDown};
use super::{Account, Accounts, Visit, told};

/// Why the password was not changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangePasswordError {
    /// The present password is wrong.
    #[error("the present password is wrong")]
    Wrong,
    /// The new one is refused.
    #[error(transparent)]
    New(#[from] PasswordRefused),
    /// The new one is the present one.
    #[error("the new password is the present one")]
    Same,
    /// Too many attempts.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: std::time::Duration,
    },
    /// Attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// A password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the password could not be stored")]
    Store(#[from] StoreError),
}

/// Changes the password of who is logged in; also a temporary one, which has to be changed.
///
/// # Errors
/// See [`ChangePasswordError`].
pub async fn change_password(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    (present, new): (&SecretText, SecretText),
) -> Result<(), ChangePasswordError> {
    let gates = throttle::of_session(account.session);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(ChangePasswordError::TooMany { retry_after });
    }
    let new = password::check(new)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    replace(accounts, &mut tx, (present, &new), visit.now).await?;
    let end = SessionEnd::PasswordChanged;
    let ended = sessions::update_all_ended(&mut tx, Some(account.session), end, visit.now).await?;
    let wakes = told::own(&mut tx, visit, Letter::PasswordChanged { at: visit.now }).await?;
    record(&mut tx, visit, "account.password_change", json!({ "signed_out": ended })).await?;
    tx.commit().await?;
    accounts.throttle.forgive(&gates).await;
    accounts.wakes.wake(account.home(), &wakes).await;
    Ok(())
}

/// Compares the present password of the transaction's user, stores the new one, and ends what the former one had begun.
pub(super) async fn replace(
    accounts: &Accounts,
    tx: &mut UserTx,
    (present, new): (&SecretText, &NewPassword),
    now: DateTime<Utc>,
) -> Result<(), ChangePasswordError> {
    let stored = users::fetch_password_hash(tx).await?;
    if !accounts.hasher.verify(present, Some(&stored)).await? {
        return Err(ChangePasswordError::Wrong);
    }
    if new.secret() == present {
        return Err(ChangePasswordError::Same);
    }
    let hash = accounts.hasher.hash(new.secret()).await?;
    // What the former password, or who could read the mail, had begun.
    for begun in
        [TokenPurpose::ResetPassword, TokenPurpose::SecondStep, TokenPurpose::ChangeEmail, TokenPurpose::StaffStep]
    {
        tokens::delete(tx, begun).await?;
    }
    Ok(users::update_password(tx, &hash, PasswordKind::Chosen, now).await?)
}
