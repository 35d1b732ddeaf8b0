//! Changes what a member is and which shops the member sees. A new owner of a verified merchant is asked who she is.

use kamiflow_kernel::{Permission, Role, ShopScope, UserId};
use kamiflow_store::team::members::{self, MembershipRow};
use serde_json::json;

use super::{TeamError, check_owner, check_seat, lock_governed, shown};
use crate::accounts::Accounts;
use crate::acts;
use crate::ctx::Ctx;
use crate::verification::renewal::{AskedAgain, ask_again};

/// The seat a member is to have.
#[derive(Debug, Clone)]
pub struct ChangeMember {
    /// Whose.
    pub user: UserId,
    /// As what.
    pub role: Role,
    /// For which shops.
    pub shops: ShopScope,
}

/// Changes a member's seat; it holds from the member's next request on.
///
/// # Errors
/// When the actor does not govern the member or the new role, a fresh proof is needed, or the store fails.
pub async fn change_member(accounts: &Accounts, ctx: &Ctx, request: &ChangeMember) -> Result<(), TeamError> {
    ctx.require(Permission::ManageTeam)?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    let before = lock_governed(&mut tx, ctx, request.user).await?;
    // A seat that governs is given, and an owner's taken, by who has just proved to be it.
    let is_raised = before.role != request.role && matches!(request.role, Role::Owner | Role::Admin);
    if before.role == Role::Owner || is_raised {
        ctx.require_sudo()?;
    }
    if request.role == Role::Owner {
        check_owner(&mut tx, request.user).await?;
    }
    check_seat(&mut tx, ctx, request.role, &request.shops).await?;
    let seat = MembershipRow { user: request.user, role: request.role, shops: request.shops.clone() };
    members::update(&mut tx, &seat).await?;
    let detail = json!({
        "before": { "role": before.role, "shops": shown(&before.shops) },
        "after": { "role": seat.role, "shops": shown(&seat.shops) },
    });
    let wakes = if before.role != Role::Owner && seat.role == Role::Owner {
        ask_again(&mut tx, ctx, AskedAgain::NewOwner).await?
    } else {
        Vec::new()
    };
    acts::record(&mut tx, ctx, "team.member_change", request.user, detail).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(())
}
