//! Hands a merchant over: a member becomes owner, the actor becomes admin. Every owner and admin is told by mail, and a
//! verified merchant is asked for the new owner's identity.

use kamiflow_kernel::{Permission, Role, ShopScope, UserId};
use kamiflow_store::team::members::{self, MembershipRow};
use serde_json::json;

use super::{TeamError, check_owner, close_merchant};
use crate::accounts::Accounts;
use crate::accounts::letter::MerchantChange;
use crate::acts;
use crate::ctx::Ctx;
use crate::verification::renewal::{AskedAgain, ask_again};

/// Makes a member owner in the actor's place.
///
/// # Errors
/// When the actor is no owner, a fresh proof is needed, there is no such member or no mail reaches it, or the store
/// fails.
pub async fn transfer_ownership(accounts: &Accounts, ctx: &Ctx, to: UserId) -> Result<(), TeamError> {
    ctx.require(Permission::ManageMerchant)?;
    ctx.require_sudo()?;
    let from = ctx.member().ok_or(TeamError::NotFound)?.user;
    if from == to {
        return Err(TeamError::Oneself);
    }
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    // In the order of their ids, so that two who hand over to each other do not wait for each other.
    let (mut first, mut second) = (from, to);
    if second < first {
        std::mem::swap(&mut first, &mut second);
    }
    members::lock(&mut tx, first).await?;
    members::lock(&mut tx, second).await?;
    check_owner(&mut tx, to).await?;
    members::update(&mut tx, &MembershipRow { user: to, role: Role::Owner, shops: ShopScope::All }).await?;
    members::update(&mut tx, &MembershipRow { user: from, role: Role::Admin, shops: ShopScope::All }).await?;
    let mut wakes = close_merchant::tell_leaders(&mut tx, ctx, MerchantChange::Transferred).await?;
    wakes.extend(ask_again(&mut tx, ctx, AskedAgain::NewOwner).await?);
    acts::record(&mut tx, ctx, "team.transfer", to, json!({ "from": from, "to": to })).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(())
}
