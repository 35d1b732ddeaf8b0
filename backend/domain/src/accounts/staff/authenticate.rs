//! Says which member of the staff sends a request. One query, and no copy: who is disabled is out with the next request.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_kernel::{MerchantId, SecretText};
use kamiflow_store::staff::AuthenticatedStaff;
use kamiflow_store::{StoreError, staff};

use super::StaffMember;
use crate::accounts::secrets::hash_of;
use crate::accounts::{Accounts, Visit};

/// A session that nobody used for so long has ended.
pub const IDLE_FOR: Duration = Duration::from_secs(30 * 60);
/// Use is written down so often at most.
const NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Returns whose session a token is; `None` for one that has ended, or is none of ours.
///
/// # Errors
/// When the store fails.
pub async fn authenticate_staff(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
) -> Result<Option<StaffMember>, StoreError> {
    let idle_s = i32::try_from(IDLE_FOR.as_secs()).unwrap_or(i32::MAX);
    // It is not known yet whose the session is; one row is told for the hash of 256 random bits.
    let mut tx = accounts.store.system_tx().await?;
    let found = staff::authenticate(&mut tx, &hash_of(token), visit.now, idle_s).await?;
    tx.commit().await?;
    let Some(found) = found else { return Ok(None) };
    if visit.now - found.last_used_at >= NOTED_EVERY {
        let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, found.user).await?;
        staff::update_session_used(&mut tx, found.session, visit.now).await?;
        tx.commit().await?;
    }
    let AuthenticatedStaff { user, session, name, role, locale, .. } = found;
    Ok(Some(StaffMember { user, session, name, role, locale }))
}
