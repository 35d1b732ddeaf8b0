//! Deletes an account, by its owner, for good.
//!
//! ```text
//! every seat, each in its merchant's transaction: given up, and told in her log
//! then, in one transaction: sessions, factors, tokens, devices and links are good for nothing; name and address are gone
//! ```
//! A merchant keeps an owner. So the only owner of one cannot go before it was handed over or closed; of one that closes
//! she keeps the seat, which nobody can use, for the rest of its days of grace. The audit logs keep the account's id, which
//! names nobody any more. An interruption between two seats leaves an account with fewer seats, which can be deleted again.

use kamiflow_kernel::{EmailAddress, GatewayKind, MerchantId, Role, ShopState};
use kamiflow_store::accounts::lookup::SeatRow;
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users::{self, PasswordKind};
use kamiflow_store::accounts::{devices, factors};
use kamiflow_store::shops::ShopRow;
use kamiflow_store::team::{invitations, members};
use kamiflow_store::{StoreError, TenantTx, account_recoveries, shops};
use serde_json::json;

use super::letter::{Addressed, Letter};
use super::new_session::record;
use super::password::HashError;
use super::secrets::fresh;
use super::sudo::{self, SudoNeeded};
use super::{Account, Accounts, Visit, send_mail};
use crate::acts;

/// A goodbye is worth reading for a week.
const GOODBYE_FOR: std::time::Duration = std::time::Duration::from_secs(7 * 24 * 60 * 60);
/// Shops that are named to say what holds a deletion up.
const NAMED: i64 = 200;
/// How often seats that were taken meanwhile are given up too.
const TRIES: usize = 3;

/// Every kind of link and challenge that could still be followed.
pub(crate) const LINKS: [TokenPurpose; 6] = [
    TokenPurpose::ResetPassword,
    TokenPurpose::ChangeEmail,
    TokenPurpose::SecondStep,
    TokenPurpose::EnrollPasskey,
    TokenPurpose::AskPasskey,
    TokenPurpose::RecoverAccount,
];

/// A merchant that would be left without an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Orphan {
    /// Which.
    pub merchant: MerchantId,
    /// Its name.
    pub name: String,
    /// Its shops that deliver, by name.
    pub live: Vec<String>,
}

/// Why an account was not deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteAccountError {
    /// It asks for a fresh proof.
    #[error(transparent)]
    Sudo(#[from] SudoNeeded),
    /// What was typed is not the log-in name.
    #[error("what was typed is not the log-in name of this account")]
    NotConfirmed,
    /// A sub-account is its merchant's.
    #[error("this account belongs to the merchant that made it")]
    SubAccount,
    /// Merchants would be left without an owner.
    #[error("{} merchants would have no owner: hand them over or close them first", .0.len())]
    Orphans(Vec<Orphan>),
    /// The password could not be replaced.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the account could not be deleted")]
    Store(#[from] StoreError),
}

/// Lists the merchants that would be left without an owner: what has to be done before.
///
/// # Errors
/// When the store fails.
pub async fn list_orphans(accounts: &Accounts, account: &Account) -> Result<Vec<Orphan>, StoreError> {
    let mut orphans = Vec::new();
    for seat in seats(accounts, account).await? {
        let mut tx = accounts.store.tenant_tx(seat.merchant).await?;
        if seat.closes_at.is_none() && is_only_owner(&mut tx, &seat).await? {
            orphans.push(Orphan {
                merchant: seat.merchant,
                live: live_shops(&mut tx).await?,
                name: seat.merchant_name,
            });
        }
        tx.commit().await?;
    }
    Ok(orphans)
}

/// Deletes the account of who asks.
///
/// # Errors
/// See [`DeleteAccountError`].
pub async fn delete_account(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    typed: &str,
) -> Result<(), DeleteAccountError> {
    sudo::require(account, visit)?;
    let address: EmailAddress = account.login.as_str().parse().map_err(|_name| DeleteAccountError::SubAccount)?;
    if typed.parse::<EmailAddress>().ok().as_ref() != Some(&address) {
        return Err(DeleteAccountError::NotConfirmed);
    }
    // A seat that was taken while the others were given up is given up too.
    for _ in 0..TRIES {
        let orphans = list_orphans(accounts, account).await?;
        if !orphans.is_empty() {
            return Err(DeleteAccountError::Orphans(orphans));
        }
        for seat in seats(accounts, account).await? {
            give_up(accounts, visit, account, (&seat, &address)).await?;
        }
        if close(accounts, visit, account, &address).await? {
            return Ok(());
        }
    }
    Err(StoreError::Unavailable("seats were taken again and again".to_owned()).into())
}

async fn seats(accounts: &Accounts, account: &Account) -> Result<Vec<SeatRow>, StoreError> {
    let tx = accounts.store.user_tx(MerchantId::PLATFORM, account.user).await?;
    let seats = members::list_seats(&tx).await?;
    tx.commit().await?;
    Ok(seats)
}

/// Gives one seat up; the only owner of a merchant that closes keeps it.
async fn give_up(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    (seat, address): (&SeatRow, &EmailAddress),
) -> Result<(), DeleteAccountError> {
    let ctx = account.acting(visit, seat.merchant, (seat.role, seat.shops.clone()));
    let mut tx = accounts.store.tenant_tx(seat.merchant).await?;
    let is_kept = is_only_owner(&mut tx, seat).await?;
    // An invitation of hers could make somebody an owner after nobody is left who is one.
    invitations::update_forgotten(&mut tx, (account.user, address), visit.now).await?;
    account_recoveries::update_forgotten(&mut tx, account.user, visit.now).await?;
    if !is_kept {
        // Of two owners who go at the same time one comes first; the database refuses the other.
        members::delete(&mut tx, account.user).await.map_err(|error| match error.constraint() {
            Some("memberships_keep_an_owner") => DeleteAccountError::Orphans(vec![Orphan {
                merchant: seat.merchant,
                live: Vec::new(),
                name: seat.merchant_name.clone(),
            }]),
            _ => error.into(),
        })?;
    }
    let detail = json!({ "cause": "account_delete", "before": { "role": seat.role }, "keeps_seat": is_kept });
    acts::record(&mut tx, &ctx, "team.leave", account.user, detail).await?;
    Ok(tx.commit().await?)
}

async fn is_only_owner(tx: &mut TenantTx, seat: &SeatRow) -> Result<bool, StoreError> {
    Ok(seat.role == Role::Owner && members::count_owners(tx).await? == 1)
}

async fn live_shops(tx: &mut TenantTx) -> Result<Vec<String>, StoreError> {
    let rows = shops::list(tx, None, NAMED).await?;
    let sells = |row: &ShopRow| row.state == ShopState::Live && row.gateway == GatewayKind::Production;
    Ok(rows.into_iter().filter(sells).map(|row| row.name).collect())
}

/// Ends everything that logs somebody in, and forgets who it was; returns false where a seat is left in a merchant that does
/// not close.
async fn close(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    address: &EmailAddress,
) -> Result<bool, DeleteAccountError> {
    // A hash of what nobody knows takes the password's place.
    let hash = accounts.hasher.hash(&fresh().secret).await?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, account.user).await?;
    // From here on nobody gives it a seat.
    users::lock(&mut tx).await?;
    if members::list_seats(&tx).await?.iter().any(|seat| seat.closes_at.is_none()) {
        return Ok(false);
    }
    let letter = Letter::AccountDeleted { at: visit.now };
    let mail = Addressed { to: address.clone(), locale: account.locale, letter };
    let wake = send_mail::plan(tx.tenant(), &mail, visit.now, GOODBYE_FOR).await?;
    for purpose in LINKS {
        tokens::delete(&mut tx, purpose).await?;
    }
    factors::delete_all(&mut tx).await?;
    devices::delete_all(&mut tx).await?;
    sessions::update_all_ended(&mut tx, None, SessionEnd::Closed, visit.now).await?;
    sessions::update_forgotten(&mut tx).await?;
    users::void_api_tokens(&mut tx, visit.now).await?;
    users::update_password(&mut tx, &hash, PasswordKind::Chosen, visit.now).await?;
    users::update_closed(&mut tx, visit.now).await?;
    record(&mut tx, visit, "account.delete", json!({})).await?;
    tx.commit().await?;
    accounts.wakes.wake(MerchantId::PLATFORM, &[wake]).await;
    Ok(true)
}
