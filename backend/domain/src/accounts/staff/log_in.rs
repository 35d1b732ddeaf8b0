//! Logs a member of the staff in: a password and, always, a second factor. And out.
//!
//! As with customers, an unknown address and a wrong password are one answer after the same work, and attempts are slowed
//! down; lines of attempts are the staff's own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{EmailAddress, MerchantId, SecretText, SessionId};
use kamiflow_store::accounts::tokens::TokenPurpose;
use kamiflow_store::{StoreError, staff};
use serde_json::json;

use super::{StaffMember, record};
use crate::accounts::log_in::LogInError;
use crate::accounts::proof::{Judged, Proof};
use crate::accounts::second_step::{Answered, SecondStepError, prove};
use crate::accounts::secrets::fresh;
use crate::accounts::throttle::{self, Passage};
use crate::accounts::{Accounts, Visit, after, one_time};

/// A session ends after so long, however it is used.
const SESSION_FOR: Duration = Duration::from_secs(8 * 60 * 60);
/// How long the second step may take.
const SECOND_STEP_FOR: Duration = Duration::from_secs(10 * 60);

/// A session that has begun.
#[derive(Debug, Clone)]
pub struct NewStaffSession {
    /// Proves it.
    pub token: SecretText,
    /// It ends then at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Takes the password; returns the challenge that a second factor answers.
///
/// # Errors
/// See [`LogInError`].
pub async fn log_in_staff(
    accounts: &Accounts,
    visit: &Visit,
    email: &str,
    password: &SecretText,
) -> Result<SecretText, LogInError> {
    let Ok(email) = email.parse::<EmailAddress>() else {
        // No address of anybody's, so there is nothing to hide.
        return Err(LogInError::Wrong);
    };
    let gates = throttle::of_place(&format!("staff|{}", email.as_str()), visit);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(LogInError::TooMany { retry_after });
    }
    // Nobody is known yet; one address is looked up.
    let mut tx = accounts.store.system_tx().await?;
    let found = staff::find_login(&mut tx, &email).await?;
    tx.commit().await?;
    let stored = found.as_ref().map(|login| &login.password_hash);
    let matches = accounts.hasher.verify(password, stored).await?;
    let Some(login) = found.filter(|_login| matches) else { return Err(LogInError::Wrong) };
    accounts.throttle.forgive(&gates).await;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, login.user).await?;
    let challenge = one_time::issue(&mut tx, TokenPurpose::StaffStep, json!({}), visit.now, SECOND_STEP_FOR).await?;
    tx.commit().await?;
    Ok(challenge)
}

/// Takes the second factor and begins a session.
///
/// # Errors
/// See [`SecondStepError`].
pub async fn second_step_of_staff(
    accounts: &Accounts,
    visit: &Visit,
    challenge: &SecretText,
    proof: &Proof,
) -> Result<NewStaffSession, SecondStepError> {
    let Answered { user, judged, .. } = prove(accounts, visit, (TokenPurpose::StaffStep, challenge), proof).await?;
    if judged != Judged::Good {
        return Err(SecondStepError::Wrong);
    }
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let row = staff::lock(&mut tx).await?;
    if row.enrolled_at.is_none() || row.disabled_at.is_some() {
        return Err(SecondStepError::ChallengeRefused);
    }
    let (token, expires_at) = (fresh(), after(visit.now, SESSION_FOR));
    let (browser, place) = (visit.browser(), visit.ip_prefix());
    let new = staff::NewStaffSession {
        id: SessionId::generate(),
        token_hash: &token.hash,
        user_agent: &browser,
        ip_prefix: &place,
        at: visit.now,
        expires_at,
    };
    staff::insert_session(&mut tx, &new).await?;
    record(&mut tx, visit, "staff.log_in").await?;
    tx.commit().await?;
    Ok(NewStaffSession { token: token.secret, expires_at })
}

/// Ends the session.
///
/// # Errors
/// When the store fails.
pub async fn sign_out_staff(accounts: &Accounts, visit: &Visit, member: &StaffMember) -> Result<(), StoreError> {
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, member.user).await?;
    staff::update_sessions_ended(&mut tx, Some(member.session), visit.now).await?;
    record(&mut tx, visit, "staff.sign_out").await?;
    tx.commit().await
}
