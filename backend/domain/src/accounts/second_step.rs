//! The second step of a log-in: the challenge of the first, and a second factor.

use std::time::Duration;

use kamiflow_kernel::{MerchantId, SecretText, UserId};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::{StoreError, UserTx};
use serde::{Deserialize, Serialize};

use super::new_session::{NewSession, Proven, begin, record_copied};
use super::one_time;
use super::passkey::Asked;
use super::proof::{Judged, Proof, judge_factor};
use super::throttle::{self, Passage, ThrottleDown};
use super::{Accounts, Visit, device};

/// Wrong proofs after which a challenge is good for nothing.
pub(super) const MOST_TRIES: i32 = 5;

/// What the first step left behind.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct FirstStep {
    pub(super) merchant: Option<MerchantId>,
}

/// The answer to a challenge.
#[derive(Debug, Clone)]
pub struct SecondStepAnswer {
    /// What the first step gave.
    pub challenge: SecretText,
    /// The second factor.
    pub proof: Proof,
    /// The token the browser is known by, if it has one.
    pub device: Option<SecretText>,
}

/// Why the second step failed.
#[derive(Debug, thiserror::Error)]
pub enum SecondStepError {
    /// The challenge is too old, was used, or met too many wrong proofs: begin again.
    #[error("this log-in has to begin again")]
    ChallengeRefused,
    /// The proof is wrong.
    #[error("the second factor is wrong")]
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
    /// The store failed.
    #[error("the account could not be read")]
    Store(#[from] StoreError),
}

/// Finishes a log-in.
///
/// # Errors
/// See [`SecondStepError`].
pub async fn second_step(
    accounts: &Accounts,
    visit: &Visit,
    answer: SecondStepAnswer,
) -> Result<NewSession, SecondStepError> {
    let challenge = (TokenPurpose::SecondStep, &answer.challenge);
    let Answered { user, payload, judged } = prove(accounts, visit, challenge, &answer.proof).await?;
    let first: FirstStep = serde_json::from_value(payload)
        .map_err(|error| StoreError::Corrupt(format!("a challenge cannot be read: {error}")))?;
    let home = first.merchant.unwrap_or(MerchantId::PLATFORM);
    let mut tx = accounts.store.user_tx(home, user).await?;
    if judged != Judged::Good {
        if let Judged::Copied(factor) = judged {
            record_copied(&mut tx, visit, factor).await?;
        }
        tx.commit().await?;
        return Err(SecondStepError::Wrong);
    }
    let device = device::of(answer.device.as_ref());
    let proven = Proven { device, merchant: first.merchant, second_factor: true };
    let (session, wakes) = begin(accounts, visit, &mut tx, proven).await?;
    tx.commit().await?;
    accounts.wakes.wake(home, &wakes).await;
    Ok(session)
}

/// An answer to a challenge, judged.
pub(super) struct Answered {
    /// Whose it is.
    pub(super) user: UserId,
    /// What the first step left behind.
    pub(super) payload: serde_json::Value,
    /// What the answer is worth.
    pub(super) judged: Judged,
}

/// Judges the answer to a challenge, as often as may be tried.
pub(super) async fn prove(
    accounts: &Accounts,
    visit: &Visit,
    (purpose, challenge): (TokenPurpose, &SecretText),
    proof: &Proof,
) -> Result<Answered, SecondStepError> {
    let found = one_time::whose(&accounts.store, challenge).await?;
    let (user, hash) = found.ok_or(SecondStepError::ChallengeRefused)?;
    let gates = throttle::of_second_step(user);
    if let Passage::Wait(retry_after) = accounts.throttle.pass(&gates).await? {
        return Err(SecondStepError::TooMany { retry_after });
    }
    // A wrong proof is counted, and its count outlives it.
    let mut tx: UserTx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let token = tokens::lock(&mut tx, purpose, &hash, visit.now).await?;
    let token = token.filter(|row| row.tries < MOST_TRIES).ok_or(SecondStepError::ChallengeRefused)?;
    let judged = judge_factor(accounts, &mut tx, (proof, Asked::FirstStep(token.id)), visit.now).await?;
    if judged == Judged::Good {
        tokens::update_used(&mut tx, token.id, visit.now).await?;
    } else {
        tokens::update_tried(&mut tx, token.id).await?;
    }
    tx.commit().await?;
    if judged == Judged::Good {
        accounts.throttle.forgive(&gates).await;
    }
    Ok(Answered { user, payload: token.payload, judged })
}
