//! The merchants somebody has a seat with, and working for another one of them.

use kamiflow_kernel::MerchantId;
use kamiflow_store::accounts::sessions;
use kamiflow_store::accounts::users::{self, Settings};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;

use super::new_session::{mark_of, record};
use super::{Account, Accounts, Seat, Visit};

/// Lists the merchants the user has a seat with.
///
/// # Errors
/// When the store fails.
pub async fn list_merchants(accounts: &Accounts, account: &Account) -> Result<Vec<Seat>, StoreError> {
    let tx = accounts.store.user_tx(MerchantId::PLATFORM, account.user).await?;
    let seats = members::list_seats(&tx).await?;
    tx.commit().await?;
    Ok(seats.into_iter().map(Seat::from).collect())
}

/// Lets the session work for another merchant from the next request on. A fresh proof counts for the former one only.
///
/// # Errors
/// [`StoreError::NotFound`] for a merchant the user has no seat with.
pub async fn switch_merchant(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    merchant: MerchantId,
) -> Result<(), StoreError> {
    let mut tx: UserTx = accounts.store.user_tx(merchant, account.user).await?;
    members::lock(tx.tenant(), account.user).await.map_err(|error| match error {
        StoreError::NotFound(_) => StoreError::NotFound("merchant"),
        other => other,
    })?;
    sessions::update_merchant(&mut tx, account.session, Some(merchant)).await?;
    record(&mut tx, visit, "account.merchant_switch", json!({ "session": mark_of(account.session) })).await?;
    tx.commit().await
}

/// Changes the user's own name, language and look.
///
/// # Errors
/// A constraint refuses a name that is empty or longer than 80 characters.
pub async fn save_settings(accounts: &Accounts, account: &Account, settings: &Settings<'_>) -> Result<(), StoreError> {
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    users::update_settings(&mut tx, settings).await?;
    tx.commit().await
}
