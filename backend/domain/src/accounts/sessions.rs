//! The devices somebody is logged in on, and signing out of one or all.

use kamiflow_kernel::SessionId;
use kamiflow_store::StoreError;
use kamiflow_store::accounts::sessions::{self, SessionEnd, SessionRow};
use serde_json::json;

use super::new_session::{mark_of, record};
use super::{Account, Accounts, Visit};

/// Lists the devices the user is logged in on, the latest used first.
///
/// # Errors
/// When the store fails.
pub async fn list_sessions(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
) -> Result<Vec<SessionRow>, StoreError> {
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let rows = sessions::list(&mut tx, visit.now).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Signs out of this device.
///
/// # Errors
/// When the store fails.
pub async fn sign_out(accounts: &Accounts, visit: &Visit, account: &Account) -> Result<(), StoreError> {
    end_session(accounts, visit, account, account.session).await
}

/// Signs out of one device; one that has signed out already is as good.
///
/// # Errors
/// [`StoreError::NotFound`] for a session of nobody or of somebody else.
pub async fn end_session(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    session: SessionId,
) -> Result<(), StoreError> {
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    if sessions::lock(&mut tx, session).await?.is_none() {
        return Err(StoreError::NotFound("session"));
    }
    if sessions::update_ended(&mut tx, session, SessionEnd::SignedOut, visit.now).await? {
        record(&mut tx, visit, "account.sign_out", json!({ "session": mark_of(session) })).await?;
    }
    tx.commit().await
}

/// Signs out of all devices but this one; returns of how many.
///
/// # Errors
/// When the store fails.
pub async fn sign_out_others(accounts: &Accounts, visit: &Visit, account: &Account) -> Result<usize, StoreError> {
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let ended = sessions::update_all_ended(&mut tx, Some(account.session), SessionEnd::SignedOut, visit.now).await?;
    record(&mut tx, visit, "account.sign_out_others", json!({ "sessions": ended })).await?;
    tx.commit().await?;
    Ok(ended)
}
