//! Teams: who has a seat with a merchant, as what, for which shops.
//!
//! Members are governed from above: an owner governs everybody, an admin everybody but owners, and nobody gives more than
//! they have. A merchant always keeps an owner; the database refuses otherwise whoever asks.

pub mod accept_invitation;
pub mod change_member;
pub mod close_merchant;
pub mod invite;
pub mod leave;
pub mod remove_member;
pub mod show_team;
pub mod sub_account;
pub mod transfer_ownership;

use kamiflow_kernel::{Role, ShopScope, UserId};
use kamiflow_store::team::members;
use kamiflow_store::{StoreError, TenantTx};

use crate::ctx::{Ctx, Denied};

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

/// Returns a scope as the audit log shows it.
fn shown(shops: &ShopScope) -> serde_json::Value {
    match shops {
        ShopScope::All => serde_json::json!("all"),
        ShopScope::Only(shops) => serde_json::json!(shops),
    }
}
