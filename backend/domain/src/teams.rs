//! Teams: who has a seat with a merchant, as what, for which shops.
//!
//! Members are governed from above: an owner governs everybody, an admin everybody but owners, and nobody gives more than
//! they have. A merchant always keeps an owner; the database refuses otherwise whoever asks.

pub mod accept_invitation;
pub mod change_member;
pub mod close_merchant;
pub mod end_merchant;
pub mod invite;
pub mod leave;
pub mod open_merchant;
pub mod remove_member;
pub mod rename_merchant;
pub mod show_team;
pub mod sub_account;
pub mod transfer_ownership;

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{EmailAddress, Locale, Permission, Reach, Role, ShopScope, UserId};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx};

use crate::accounts::letter::{Addressed, Letter};
use crate::accounts::send_mail;
use crate::accounts::throttle::ThrottleDown;
use crate::ctx::{Ctx, Denied};
use crate::engine::Wake;

/// News of a team is worth reading for a week.
const NEWS_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Why a team was not changed.
#[derive(Debug, thiserror::Error)]
pub enum TeamError {
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The actor's role is not above the role that is given, changed or taken.
    #[error("a {0} can only be made, changed or removed by an owner")]
    NotGoverned(Role),
    /// Nobody changes their own seat: somebody else does, or they leave.
    #[error("nobody changes their own seat")]
    Oneself,
    /// Owners and admins see all shops.
    #[error("a {0} sees all shops")]
    CannotBeLimited(Role),
    /// A seat that is limited to shops names at least one, and the merchant's own only.
    #[error("name at least one shop of this merchant")]
    Shops,
    /// There is no such member.
    #[error("the member was not found")]
    NotFound,
    /// The merchant would be without an owner: make somebody else one first.
    #[error("this is the only owner: make somebody else one first")]
    OnlyOwner,
    /// Owners have an e-mail address: what is told to them must reach them.
    #[error("an owner needs an e-mail address")]
    NeedsAddress,
    /// Too many mails, from this merchant or to this address.
    #[error("too many invitations: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Mails cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The store failed.
    #[error("the team could not be changed")]
    Store(#[source] StoreError),
}

impl From<StoreError> for TeamError {
    fn from(error: StoreError) -> Self {
        match (&error, error.constraint()) {
            (_, Some("memberships_keep_an_owner")) => Self::OnlyOwner,
            (StoreError::NotFound(_), _) => Self::NotFound,
            _ => Self::Store(error),
        }
    }
}

/// Checks that the actor may give a seat of this role for these shops.
async fn check_seat(tx: &mut TenantTx, ctx: &Ctx, role: Role, shops: &ShopScope) -> Result<(), TeamError> {
    if ctx.member().is_some_and(|member| !member.role.governs(role)) {
        return Err(TeamError::NotGoverned(role));
    }
    let ShopScope::Only(named) = shops else { return Ok(()) };
    if !role.can_be_limited() {
        return Err(TeamError::CannotBeLimited(role));
    }
    let wanted: Vec<_> = named.iter().copied().collect();
    if wanted.is_empty() || members::list_own_shops(tx, &wanted).await?.len() != wanted.len() {
        return Err(TeamError::Shops);
    }
    Ok(())
}

/// Locks a member's seat that the actor governs and that is not the actor's own.
async fn lock_governed(tx: &mut TenantTx, ctx: &Ctx, user: UserId) -> Result<members::MembershipRow, TeamError> {
    if ctx.member().is_some_and(|member| member.user == user) {
        return Err(TeamError::Oneself);
    }
    let seat = members::lock(tx, user).await?;
    if ctx.member().is_some_and(|member| !member.role.governs(seat.role)) {
        return Err(TeamError::NotGoverned(seat.role));
    }
    Ok(seat)
}

/// Refuses to make somebody owner whom no mail reaches: a sub-account is its merchant's own.
async fn check_owner(tx: &mut TenantTx, user: UserId) -> Result<(), TeamError> {
    let known = members::list(tx).await?.into_iter().find(|member| member.user == user);
    let login = known.ok_or(TeamError::NotFound)?.login;
    login.parse::<EmailAddress>().map(|_address| ()).map_err(|_name| TeamError::NeedsAddress)
}

/// Returns the seat somebody has, and keeps it so until the transaction ends.
async fn find_seat(tx: &mut TenantTx, user: UserId) -> Result<Option<members::MembershipRow>, StoreError> {
    match members::lock(tx, user).await {
        Ok(seat) => Ok(Some(seat)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns whether who offered a seat could still give it: an offer is worth no more than the seat of who made it.
async fn may_still_give(
    tx: &mut TenantTx,
    giver: UserId,
    (role, shops): (Role, &ShopScope),
) -> Result<bool, StoreError> {
    // The operator invites without a seat.
    if giver.as_uuid().is_nil() {
        return Ok(true);
    }
    Ok(find_seat(tx, giver).await?.is_some_and(|seat| seat.role.governs(role) && shops.is_within(&seat.shops)))
}

/// Answers that a member has no seat who has not the one any more that she acts with.
pub(crate) async fn keeps_seat(tx: &mut TenantTx, ctx: &Ctx) -> Result<(), StoreError> {
    let Some(member) = ctx.member() else { return Ok(()) };
    let seat = find_seat(tx, member.user).await?;
    let is_hers = seat.is_some_and(|seat| seat.role == member.role && seat.shops == member.shops);
    if is_hers { Ok(()) } else { Err(StoreError::NotFound("seat")) }
}

/// Returns whether a member has a permission now, for what somebody made who may have lost the seat since.
pub(crate) async fn may_still(tx: &mut TenantTx, user: UserId, permission: Permission) -> Result<bool, StoreError> {
    let reaches = |seat: &members::MembershipRow| permission.reach() == Reach::Shop || seat.shops == ShopScope::All;
    Ok(find_seat(tx, user).await?.is_some_and(|seat| permission.is_granted_to(seat.role) && reaches(&seat)))
}

/// Writes a letter to every member of these roles who has an address.
pub(crate) async fn write_to(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    roles: &[Role],
    letter: &Letter,
) -> Result<Vec<Wake>, StoreError> {
    write_to_members(tx, now, |member| roles.contains(&member.role), letter).await
}

/// Returns the language in which a member reads.
pub(crate) async fn language_of(tx: &mut TenantTx, user: UserId) -> Result<Locale, StoreError> {
    let reader = members::list(tx).await?.into_iter().find(|member| member.user == user);
    Ok(reader.map(|member| member.locale).unwrap_or_default())
}

/// Writes a letter to every member who is meant and has an address, to each in her language.
pub(crate) async fn write_to_members(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    is_meant: impl Fn(&members::MemberRow) -> bool,
    letter: &Letter,
) -> Result<Vec<Wake>, StoreError> {
    let mut wakes = Vec::new();
    for member in members::list(tx).await? {
        let Ok(to) = member.login.parse() else { continue };
        if is_meant(&member) {
            let mail = Addressed { to, locale: member.locale, letter: letter.clone() };
            wakes.push(send_mail::plan(tx, &mail, now, NEWS_FOR).await?);
        }
    }
    Ok(wakes)
}

/// Returns a scope as the audit log shows it.
fn shown(shops: &ShopScope) -> serde_json::Value {
    match shops {
        ShopScope::All => serde_json::json!("all"),
        ShopScope::Only(shops) => serde_json::json!(shops),
    }
}
