//! Accepts an invitation: whoever is logged in and holds the link gets the seat.
//!
//! A mailed invitation is for that address only: a forwarded mail is no seat.

use kamiflow_kernel::{EmailAddress, MerchantId, Role, SecretText, ShopScope};
use kamiflow_store::accounts::{lookup, sessions, users};
use kamiflow_store::team::invitations::{self, InvitationRow};
use kamiflow_store::team::members::{self, MembershipRow};
use kamiflow_store::{Store, StoreError, TenantTx};
use serde_json::json;

use super::{may_still_give, shown};
use crate::accounts::new_session::record;
use crate::accounts::secrets::hash_of;
use crate::accounts::{Account, Accounts, Visit};
use crate::verification::renewal::{AskedAgain, ask_again};

/// What an invitation offers, for the page that asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Whose team.
    pub merchant: MerchantId,
    /// Its name.
    pub merchant_name: String,
    /// As what.
    pub role: Role,
}

/// Why an invitation was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AcceptInvitationError {
    /// It is unknown, too old, used, was taken back, or who made it could not give this seat any more.
    #[error("this invitation is not good any more")]
    Refused,
    /// It was mailed to another address than the account's.
    #[error("this invitation is for another address")]
    OtherAddress,
    /// Owners have an e-mail address: what is told to them must reach them.
    #[error("an owner needs an e-mail address")]
    NeedsAddress,
    /// The user has a seat there already.
    #[error("you are in this team already")]
    MemberAlready,
    /// The store failed.
    #[error("the invitation could not be accepted")]
    Store(#[from] StoreError),
}

async fn whose(store: &Store, hash: &[u8; 32]) -> Result<lookup::InvitingMerchant, AcceptInvitationError> {
    // The invited has no seat yet; a merchant is told for a hash of 256 random bits.
    let mut tx = store.system_tx().await?;
    let found = lookup::find_merchant_of_invitation(&mut tx, hash).await?;
    tx.commit().await?;
    found.ok_or(AcceptInvitationError::Refused)
}

/// Locks the invitation of a token if it is good, and the seat of who made it.
async fn lock_good(tx: &mut TenantTx, hash: &[u8; 32], visit: &Visit) -> Result<InvitationRow, AcceptInvitationError> {
    let row = invitations::lock_by_token(tx, hash, visit.now).await?.ok_or(AcceptInvitationError::Refused)?;
    if !may_still_give(tx, row.invited_by, (row.role, &row.shops)).await? {
        return Err(AcceptInvitationError::Refused);
    }
    Ok(row)
}

/// Says what an invitation offers; asks for no account.
///
/// # Errors
/// When it is not good or the store fails.
pub async fn show_invitation(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
) -> Result<Offer, AcceptInvitationError> {
    let hash = hash_of(token);
    let inviting = whose(&accounts.store, &hash).await?;
    let mut tx = accounts.store.tenant_tx(inviting.merchant).await?;
    let role = lock_good(&mut tx, &hash, visit).await?.role;
    tx.commit().await?;
    Ok(Offer { merchant: inviting.merchant, merchant_name: inviting.name, role })
}

/// Gives the account the seat; its session works for that merchant from then on.
///
/// # Errors
/// See [`AcceptInvitationError`].
pub async fn accept_invitation(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    token: &SecretText,
) -> Result<MerchantId, AcceptInvitationError> {
    let hash = hash_of(token);
    let merchant = whose(&accounts.store, &hash).await?.merchant;
    let mut tx = accounts.store.user_tx(merchant, account.user).await?;
    users::lock(&mut tx).await?;
    let row = lock_good(tx.tenant(), &hash, visit).await?;
    if row.email.as_deref().is_some_and(|email| email != account.login.as_str()) {
        return Err(AcceptInvitationError::OtherAddress);
    }
    if row.role == Role::Owner && account.login.as_str().parse::<EmailAddress>().is_err() {
        return Err(AcceptInvitationError::NeedsAddress);
    }
    let detail = json!({ "invitation": row.id, "role": row.role, "shops": shown(&row.shops) });
    let seat = MembershipRow { user: account.user, role: row.role, shops: row.shops };
    members::insert(tx.tenant(), &seat, visit.now).await.map_err(|error| match error.constraint() {
        Some("memberships_pkey") => AcceptInvitationError::MemberAlready,
        _ => error.into(),
    })?;
    invitations::update_accepted(tx.tenant(), row.id, account.user, visit.now).await?;
    sessions::update_merchant(&mut tx, account.session, Some(merchant)).await?;
    let wakes = if row.role == Role::Owner {
        let ctx = account.acting(visit, merchant, (row.role, ShopScope::All));
        ask_again(tx.tenant(), &ctx, AskedAgain::NewOwner).await?
    } else {
        Vec::new()
    };
    record(&mut tx, visit, "team.join", detail).await?;
    tx.commit().await?;
    accounts.wakes.wake(merchant, &wakes).await;
    Ok(merchant)
}
