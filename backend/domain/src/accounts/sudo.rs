//! Proves once more who somebody is, which for ten minutes allows what a stolen session must not.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_store::StoreError;
use kamiflow_store::accounts::sessions;
use serde_json::json;

use super::new_session::{mark_of, record, record_copied};
use super::passkey::Asked;
use super::proof::{Judged, Proof, ProofError, judge};
use super::throttle::{self, Passage, ThrottleDown};
use super::{Account, Accounts, Visit, after};

const SUDO_FOR: Duration = Duration::from_secs(10 * 60);

/// It asks for a fresh proof: [`sudo`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this needs a fresh proof of who you are")]
pub struct SudoNeeded;

/// Why a proof did not count.
#[derive(Debug, thiserror::Error)]
pub enum SudoError {
    /// It proves nothing.
    #[error("the proof is wrong")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Attempts cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The proof could not be judged.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The store failed.
    #[error("the proof could not be stored")]
    Store(#[from] StoreError),
}

/// Takes a proof; returns until when it counts.
///
/// # Errors
/// When it is wrong, there were too many, or the store fails.
pub async fn sudo(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    proof: &Proof,
) -> Result<DateTime<Utc>, SudoError> {
    let gates = throttle::of_session(account.session);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(SudoError::TooMany { retry_after });
    }
    // Whoever has a second factor proves that: a stolen password must not remove it.
    if account.has_second_factor && matches!(proof, Proof::Password(_)) {
        return Err(SudoError::Wrong);
    }
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let asked = Asked::Session(account.session);
    let judged = judge(accounts, &mut tx, (proof, asked), visit.now).await?;
    if judged != Judged::Good {
        if let Judged::Copied(factor) = judged {
            record_copied(&mut tx, visit, factor).await?;
        }
        // A passkey's question is used up by a wrong answer as well.
        tx.commit().await?;
        return Err(SudoError::Wrong);
    }
    let until = after(visit.now, SUDO_FOR);
    sessions::update_sudo(&mut tx, account.session, until).await?;
    record(&mut tx, visit, "account.sudo", json!({ "session": mark_of(account.session) })).await?;
    tx.commit().await?;
    accounts.throttle.forgive(&gates).await;
    Ok(until)
}

/// Refuses an account whose proof is too old.
pub(super) fn require(account: &Account, visit: &Visit) -> Result<(), SudoNeeded> {
    if account.sudo_until.is_some_and(|until| visit.now < until) { Ok(()) } else { Err(SudoNeeded) }
}
