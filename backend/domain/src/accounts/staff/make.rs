//! What the operator does at the command line: makes staff, renews their links, disables them.
//!
//! Needs no master key and no server: a link is a token, of which the hash is stored.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{EmailAddress, Locale, MerchantId, SecretText, StaffRole, UserId};
use kamiflow_store::accounts::factors;
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users::{self, NewUser, Origin};
use kamiflow_store::{Store, StoreError, UserTx, staff};
use serde_json::json;

use crate::accounts::password::{HashError, PasswordHasher};
use crate::accounts::secrets::fresh;
use crate::accounts::{after, one_time};
use crate::acts;
use crate::ctx::{Actor, Ctx};

/// How long an enrollment link is good.
pub const LINK_FOR: Duration = Duration::from_secs(24 * 60 * 60);
const LONGEST_NAME: usize = 80;

/// The request: a new member of the staff.
#[derive(Debug, Clone)]
pub struct CreateStaff {
    /// What is typed to log in.
    pub email: EmailAddress,
    /// As merchants are told.
    pub name: String,
    /// What she may do.
    pub role: StaffRole,
}

/// A link by which somebody chooses password and second factor.
#[derive(Debug, Clone)]
pub struct EnrollmentLink {
    /// Whose.
    pub user: UserId,
    /// To be put behind the site's address; good once.
    pub path: SecretText,
    /// Until then.
    pub expires_at: DateTime<Utc>,
}

/// Why staff were not changed.
#[derive(Debug, thiserror::Error)]
pub enum StaffError {
    /// There is such a member already.
    #[error("{0} is of the staff already: `kamiflow staff renew` makes another link")]
    Exists(EmailAddress),
    /// There is no such member.
    #[error("nobody of the staff has the address {0}")]
    Unknown(EmailAddress),
    /// The name is empty or too long.
    #[error("a name has 1 to 80 characters")]
    Name,
    /// No hash could be made.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the staff could not be read or written")]
    Store(#[from] StoreError),
}

/// Makes a member of the staff who has to enroll.
///
/// # Errors
/// When the address is taken among the staff, the name cannot be taken, or the store fails.
pub async fn create_staff(
    store: &Store,
    hasher: &PasswordHasher,
    request: &CreateStaff,
    now: DateTime<Utc>,
) -> Result<EnrollmentLink, StaffError> {
    let name = request.name.trim();
    if !(1..=LONGEST_NAME).contains(&name.chars().count()) || name.chars().any(char::is_control) {
        return Err(StaffError::Name);
    }
    // Nobody knows this password: the link is the only way in.
    let nobodys = hasher.hash(&fresh().secret).await?;
    let user = UserId::generate();
    let mut tx = store.user_tx(MerchantId::PLATFORM, user).await?;
    let login = request.email.clone().into();
    let new = NewUser {
        login: &login,
        origin: Origin::Staff,
        name,
        password_hash: &nobodys,
        locale: Locale::default(),
        at: now,
    };
    users::insert(&mut tx, &new).await.map_err(|error| match error.constraint() {
        Some("users_login_once") => StaffError::Exists(request.email.clone()),
        _ => error.into(),
    })?;
    staff::insert(&mut tx, request.role, now).await?;
    let link = issue(&mut tx, now).await?;
    record(&mut tx, "staff.create", json!({ "role": request.role }), now).await?;
    tx.commit().await?;
    Ok(link)
}

/// Makes another link for a member who lost the first one, or the second factor, or was disabled. All sessions end, and
/// nobody logs in before the link was followed.
///
/// # Errors
/// When there is no such member, or the store fails.
pub async fn renew_staff(
    store: &Store,
    email: &EmailAddress,
    now: DateTime<Utc>,
) -> Result<EnrollmentLink, StaffError> {
    let mut tx = find(store, email).await?;
    staff::update_enrolled(&mut tx, None).await?;
    staff::update_disabled(&mut tx, None).await?;
    shut_out(&mut tx, now).await?;
    factors::delete_all(&mut tx).await?;
    let link = issue(&mut tx, now).await?;
    record(&mut tx, "staff.renew", json!({}), now).await?;
    tx.commit().await?;
    Ok(link)
}

/// Disables a member of the staff; her sessions end at once.
///
/// # Errors
/// When there is no such member, or the store fails.
pub async fn disable_staff(store: &Store, email: &EmailAddress, now: DateTime<Utc>) -> Result<(), StaffError> {
    let mut tx = find(store, email).await?;
    staff::update_disabled(&mut tx, Some(now)).await?;
    shut_out(&mut tx, now).await?;
    record(&mut tx, "staff.disable", json!({}), now).await?;
    Ok(tx.commit().await?)
}

/// Begins a transaction of a member of the staff and locks her row.
async fn find(store: &Store, email: &EmailAddress) -> Result<UserTx, StaffError> {
    // The operator knows all staff by their addresses.
    let mut tx = store.system_tx().await?;
    let rows = staff::list(&mut tx).await?;
    tx.commit().await?;
    let row = rows.into_iter().find(|row| row.email == email.as_str());
    let user = row.ok_or_else(|| StaffError::Unknown(email.clone()))?.user;
    let mut tx = store.user_tx(MerchantId::PLATFORM, user).await?;
    staff::lock(&mut tx).await?;
    Ok(tx)
}

/// Ends what a member of the staff holds: sessions, links, log-ins that were begun.
async fn shut_out(tx: &mut UserTx, now: DateTime<Utc>) -> Result<(), StoreError> {
    staff::update_sessions_ended(tx, None, now).await?;
    tokens::delete(tx, TokenPurpose::StaffEnroll).await?;
    tokens::delete(tx, TokenPurpose::StaffStep).await?;
    Ok(())
}

async fn issue(tx: &mut UserTx, now: DateTime<Utc>) -> Result<EnrollmentLink, StoreError> {
    let token = one_time::issue(tx, TokenPurpose::StaffEnroll, json!({}), now, LINK_FOR).await?;
    let path = SecretText::new(format!("/staff/enroll?token={}", token.expose()));
    Ok(EnrollmentLink { user: tx.user(), path, expires_at: after(now, LINK_FOR) })
}

/// An act of the operator, in the platform's log.
async fn record(
    tx: &mut UserTx,
    action: &'static str,
    detail: serde_json::Value,
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    let ctx = Ctx { actor: Actor::Operator, merchant: MerchantId::PLATFORM, request_id: "command".to_owned(), now };
    let user = tx.user();
    acts::record(tx.tenant(), &ctx, action, user, detail).await
}
