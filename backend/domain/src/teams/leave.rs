//! Leaves a team by oneself. The only owner cannot.

use kamiflow_store::team::members;
use serde_json::json;

use super::{TeamError, shown};
use crate::accounts::Accounts;
use crate::acts;
use crate::ctx::Ctx;

/// Gives the actor's own seat up.
///
/// # Errors
/// When the actor is no member, or the only owner.
pub async fn leave(accounts: &Accounts, ctx: &Ctx) -> Result<(), TeamError> {
    let user = ctx.member().ok_or(TeamError::NotFound)?.user;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    let before = members::lock(&mut tx, user).await?;
    members::delete(&mut tx, user).await?;
    let detail = json!({ "before": { "role": before.role, "shops": shown(&before.shops) } });
    acts::record(&mut tx, ctx, "team.leave", user, detail).await?;
    tx.commit().await?;
    Ok(())
}
