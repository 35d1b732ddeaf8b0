//! What a member of the staff does with her own account: another password, ending sessions, the language.

use chrono::TimeDelta;
use kamiflow_kernel::{Locale, MerchantId, SecretText, SessionId};
use kamiflow_store::accounts::users::{self, Settings};
use kamiflow_store::staff::{self, StaffSessionRow};
use kamiflow_store::{StoreError, UserTx};

use super::authenticate::IDLE_FOR;
use super::{StaffMember, record};
use crate::accounts::change_password::{ChangePasswordError, replace};
use crate::accounts::letter::Letter;
use crate::accounts::throttle::{self, Passage};
use crate::accounts::{Accounts, Visit, password, told};

/// Changes the password; all other sessions end, and a mail tells.
///
/// # Errors
/// See [`ChangePasswordError`].
pub async fn change_staff_password(
    accounts: &Accounts,
    visit: &Visit,
    member: &StaffMember,
    (present, new): (&SecretText, SecretText),
) -> Result<(), ChangePasswordError> {
    let gates = throttle::of_session(member.session);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(ChangePasswordError::TooMany { retry_after });
    }
    let new = password::check(new)?;
    let mut tx = own(accounts, member).await?;
    replace(accounts, &mut tx, (present, &new), visit.now).await?;
    staff::update_other_sessions_ended(&mut tx, member.session, visit.now).await?;
    let wakes = told::own(&mut tx, visit, Letter::PasswordChanged { at: visit.now }).await?;
    record(&mut tx, visit, "staff.password_change").await?;
    tx.commit().await?;
    accounts.throttle.forgive(&gates).await;
    accounts.wakes.wake(MerchantId::PLATFORM, &wakes).await;
    Ok(())
}

/// Lists the sessions that live, the latest used first.
///
/// # Errors
/// When the store fails.
pub async fn list_staff_sessions(
    accounts: &Accounts,
    visit: &Visit,
    member: &StaffMember,
) -> Result<Vec<StaffSessionRow>, StoreError> {
    let idle = TimeDelta::from_std(IDLE_FOR).unwrap_or_default();
    let mut tx = own(accounts, member).await?;
    let rows = staff::list_sessions(&mut tx, visit.now, visit.now - idle).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Ends one of her sessions.
///
/// # Errors
/// [`StoreError::NotFound`] for a session of somebody else, or one that has ended.
pub async fn end_staff_session(
    accounts: &Accounts,
    visit: &Visit,
    member: &StaffMember,
    session: SessionId,
) -> Result<(), StoreError> {
    let mut tx = own(accounts, member).await?;
    if staff::update_sessions_ended(&mut tx, Some(session), visit.now).await? == 0 {
        return Err(StoreError::NotFound("session"));
    }
    record(&mut tx, visit, "staff.session_end").await?;
    tx.commit().await
}

/// Chooses the language.
///
/// # Errors
/// When the store fails.
pub async fn choose_staff_language(
    accounts: &Accounts,
    member: &StaffMember,
    locale: Locale,
) -> Result<(), StoreError> {
    let mut tx = own(accounts, member).await?;
    let row = users::fetch(&mut tx).await?;
    users::update_settings(&mut tx, &Settings { name: &row.name, locale, theme: row.theme }).await?;
    tx.commit().await
}

async fn own(accounts: &Accounts, member: &StaffMember) -> Result<UserTx, StoreError> {
    accounts.store.user_tx(MerchantId::PLATFORM, member.user).await
}
