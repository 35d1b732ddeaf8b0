//! Takes a member's seat away; it holds from the member's next request on.

use kamiflow_kernel::{Permission, Role, UserId};
use kamiflow_store::team::members;
use serde_json::json;

use super::{TeamError, lock_governed, shown};
use crate::accounts::Accounts;
use crate::acts;
use crate::ctx::Ctx;

/// Removes a member.
///
/// # Errors
/// When the actor does not govern the member, or the store fails.
pub async fn remove_member(accounts: &Accounts, ctx: &Ctx, user: UserId) -> Result<(), TeamError> {
    ctx.require(Permission::ManageTeam)?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    let before = lock_governed(&mut tx, ctx, user).await?;
    if before.role == Role::Owner {
        ctx.require_sudo()?;
    }
    members::delete(&mut tx, user).await?;
    let detail = json!({ "before": { "role": before.role, "shops": shown(&before.shops) } });
    acts::record(&mut tx, ctx, "team.member_remove", user, detail).await?;
    tx.commit().await?;
    Ok(())
}
