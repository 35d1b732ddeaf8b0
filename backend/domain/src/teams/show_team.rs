//! Shows the team and what is open of it.

use kamiflow_kernel::Permission;
use kamiflow_store::StoreError;
use kamiflow_store::team::invitations::{self, InvitationRow};
use kamiflow_store::team::members::{self, MemberRow};

use super::TeamError;
use crate::accounts::Accounts;
use crate::ctx::Ctx;

/// A merchant's team.
#[derive(Debug, Clone)]
pub struct Team {
    /// Its members, the oldest first.
    pub members: Vec<MemberRow>,
    /// Invitations nobody has accepted; for those who may invite.
    pub invitations: Vec<InvitationRow>,
}

/// Reads the team of the context's merchant.
///
/// # Errors
/// When the actor may not see it or the store fails.
pub async fn show_team(accounts: &Accounts, ctx: &Ctx) -> Result<Team, TeamError> {
    ctx.require(Permission::ShowTeam)?;
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    let members = members::list(&mut tx).await?;
    let invitations = match ctx.may(Permission::ManageTeam) {
        true => invitations::list(&mut tx, ctx.now).await?,
        false => Vec::new(),
    };
    tx.commit().await.map_err(|error: StoreError| TeamError::Store(error))?;
    Ok(Team { members, invitations })
}
