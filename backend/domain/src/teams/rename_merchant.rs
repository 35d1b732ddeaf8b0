//! Gives a merchant another name. Who was verified under the former one is asked again, as after a new owner: running shops
//! go on for seven days, and stop then until somebody is approved.

use kamiflow_kernel::Permission;
use kamiflow_store::merchants;
use serde_json::json;

use super::{TeamError, close_merchant};
use crate::accounts::Accounts;
use crate::accounts::letter::MerchantChange;
use crate::accounts::sign_up::one_line;
use crate::accounts::throttle::{Passage, of_merchant};
use crate::acts;
use crate::ctx::Ctx;
use crate::verification::renewal::{AskedAgain, ask_again};

/// Letters of a name.
const LONGEST: usize = 60;
/// New names in short order: each is a mail to every owner and admin.
const RENAMES: u32 = 5;

/// Why a merchant was not renamed.
#[derive(Debug, thiserror::Error)]
pub enum RenameError {
    /// The name is empty or too long.
    #[error("a merchant's name has 2 to {LONGEST} characters")]
    Name,
    /// The actor may not do it, or the store failed.
    #[error(transparent)]
    Team(#[from] TeamError),
}

/// Renames the merchant; the name it has already changes nothing, and nobody is asked for it.
///
/// # Errors
/// When the actor is no owner, a fresh proof is needed, the name is refused, or the store fails.
pub async fn rename_merchant(accounts: &Accounts, ctx: &Ctx, name: &str) -> Result<(), RenameError> {
    ctx.require(Permission::ManageMerchant).map_err(TeamError::from)?;
    ctx.require_sudo().map_err(TeamError::from)?;
    let name = one_line(name, LONGEST).filter(|name| name.chars().count() > 1).ok_or(RenameError::Name)?;
    Ok(change(accounts, ctx, &name).await?)
}

async fn change(accounts: &Accounts, ctx: &Ctx, name: &str) -> Result<(), TeamError> {
    let mut tx = accounts.store.tenant_tx(ctx.merchant).await?;
    let before = merchants::find(&mut tx).await?.ok_or(TeamError::NotFound)?.name;
    if before == name {
        return Ok(());
    }
    match accounts.throttle.pass(&of_merchant("rename", ctx.merchant, RENAMES)).await? {
        Passage::Open => {}
        Passage::Wait(retry_after) => return Err(TeamError::TooMany { retry_after }),
    }
    merchants::update_name(&mut tx, name).await?;
    let mut wakes =
        close_merchant::tell_leaders(&mut tx, ctx, MerchantChange::Renamed { before: before.clone() }).await?;
    wakes.extend(ask_again(&mut tx, ctx, AskedAgain::NewName).await?);
    let detail = json!({ "before": before, "after": name });
    acts::record(&mut tx, ctx, "merchant.rename", ctx.merchant, detail).await?;
    tx.commit().await?;
    accounts.wakes.wake(ctx.merchant, &wakes).await;
    Ok(())
}
