//! Confirms a sign-up: makes the user, the merchant and its ownership.
//!
//! Nobody is logged in by it. Who signed up with somebody else's address knows the password and not the mail; who reads
//! the mail and did not sign up does not know the password, and gets a new one by a reset.

use kamiflow_kernel::{EmailAddress, LoginName, MerchantId, Role, SecretText, UserId};
use kamiflow_store::accounts::users::{self, NewUser, Origin};
use kamiflow_store::sign_ups::SignUpRow;
use kamiflow_store::{StoreError, sign_ups};
use serde_json::json;
use tracing::warn;

use super::new_session::record;
use super::secrets::hash_of;
use super::sign_up::{Pending, SignUp, SignUpError, check, hash};
use super::{Accounts, Visit};
use crate::teams::open_merchant::found;

/// An address that is confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmed {
    /// What to log in with.
    pub login: LoginName,
    /// The account.
    pub user: UserId,
    /// The merchant it owns.
    pub merchant: MerchantId,
}

/// Why nothing was confirmed.
#[derive(Debug, thiserror::Error)]
pub enum ConfirmEmailError {
    /// The link is unknown, too old or used; a used one means that one can log in.
    #[error("this link is not good any more")]
    TokenRefused,
    /// The store failed.
    #[error("the account could not be stored")]
    Store(#[from] StoreError),
}

/// Confirms a sign-up by the token of its mail.
///
/// # Errors
/// When the token is not good or the store fails.
pub async fn confirm_email(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
) -> Result<Confirmed, ConfirmEmailError> {
    let sign_up = find(accounts, visit, token).await?.ok_or(ConfirmEmailError::TokenRefused)?;
    let pending: Pending = serde_json::from_slice(sign_up.contents.expose())
        .map_err(|error| StoreError::Corrupt(format!("a sign-up cannot be read: {error}")))?;
    // Of two who confirm at the same time the log-in name lets one through.
    let confirmed = make_account(accounts, visit, &sign_up.login, pending).await.map_err(|error| {
        if error.constraint() == Some("users_login_once") { ConfirmEmailError::TokenRefused } else { error.into() }
    })?;
    forget(accounts, &sign_up).await;
    Ok(confirmed)
}

/// Makes an account at once, for the operator and the demo: nobody has shown that the address is theirs.
///
/// # Errors
/// When what was given cannot be taken, the log-in name is taken (constraint `users_login_once`), or the store fails.
pub async fn open_account(accounts: &Accounts, visit: &Visit, request: SignUp) -> Result<Confirmed, SignUpError> {
    let email: EmailAddress = request.email.parse()?;
    let pending = hash(accounts, visit, check(request)?).await?;
    Ok(make_account(accounts, visit, &LoginName::from(email), pending).await?)
}

async fn find(accounts: &Accounts, visit: &Visit, token: &SecretText) -> Result<Option<SignUpRow>, StoreError> {
    let mut tx = accounts.store.tenant_tx(MerchantId::PLATFORM).await?;
    let found = sign_ups::lock_by_token(&mut tx, &hash_of(token), visit.now).await?;
    tx.commit().await?;
    Ok(found)
}

/// Removes all sign-ups with the address. What is left over by a failure confirms nothing any more, and is pruned.
async fn forget(accounts: &Accounts, sign_up: &SignUpRow) {
    let removed = async {
        let mut tx = accounts.store.tenant_tx(MerchantId::PLATFORM).await?;
        sign_ups::delete(&mut tx, &sign_up.login).await?;
        tx.commit().await
    };
    if let Err(error) = removed.await {
        warn!(%error, "A confirmed sign-up could not be removed");
    }
}

async fn make_account(
    accounts: &Accounts,
    visit: &Visit,
    login: &LoginName,
    pending: Pending,
) -> Result<Confirmed, StoreError> {
    let (user, merchant) = (UserId::generate(), MerchantId::generate());
    let mut user_tx = accounts.store.user_tx(merchant, user).await?;
    let tx = &mut user_tx;
    let name = login.as_str().split('@').next().unwrap_or_default();
    let new = NewUser {
        login,
        origin: Origin::Email,
        name,
        password_hash: &SecretText::new(pending.password_hash),
        locale: pending.locale,
        at: visit.now,
    };
    users::insert(tx, &new).await?;
    found(tx, &pending.merchant_name, visit.now).await?;
    record(tx, visit, "account.create", json!({ "role": Role::Owner })).await?;
    user_tx.commit().await?;
    Ok(Confirmed { login: login.clone(), user, merchant })
}
