//! Takes a second factor away. With the last one its recovery codes go.

use kamiflow_kernel::FactorId;
use kamiflow_store::StoreError;
use kamiflow_store::accounts::factors::{self, FactorRow};
use kamiflow_store::accounts::users;
use serde_json::json;

use super::new_session::record;
use super::sudo::{self, SudoNeeded};
use super::{Account, Accounts, Visit, told};

/// Why a second factor was not removed.
#[derive(Debug, thiserror::Error)]
pub enum RemoveFactorError {
    /// It asks for a fresh proof.
    #[error(transparent)]
    Sudo(#[from] SudoNeeded),
    /// The store failed, or the user has no such factor.
    #[error("the second factor could not be removed")]
    Store(#[from] StoreError),
}

/// Lists the user's second factors, and how many recovery codes are left.
///
/// # Errors
/// When the store fails.
pub async fn list_factors(accounts: &Accounts, account: &Account) -> Result<(Vec<FactorRow>, i64), StoreError> {
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let rows = factors::list(&mut tx).await?;
    let codes = factors::count_recovery_codes(&mut tx).await?;
    tx.commit().await?;
    Ok((rows, codes))
}

/// Removes a second factor.
///
/// # Errors
/// When a fresh proof is needed, there is no such factor, or the store fails.
pub async fn remove_factor(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    factor: FactorId,
) -> Result<(), RemoveFactorError> {
    sudo::require(account, visit)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    // Of two who remove the last two factors one must see that nothing is left.
    users::lock(&mut tx).await?;
    if !factors::delete(&mut tx, factor).await? {
        return Err(StoreError::NotFound("second factor").into());
    }
    if factors::list(&mut tx).await?.is_empty() {
        factors::delete_all(&mut tx).await?;
    }
    let wakes = told::factors_changed(accounts, &mut tx, visit).await?;
    record(&mut tx, visit, "account.factor_remove", json!({ "factor": factor })).await?;
    tx.commit().await?;
    accounts.wakes.wake(account.home(), &wakes).await;
    Ok(())
}
