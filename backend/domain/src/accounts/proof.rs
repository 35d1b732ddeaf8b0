//! Proofs of who somebody is, beside the first password: a code, a passkey, a recovery code, the password once more.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, SecretBytes, SecretText};
use kamiflow_store::accounts::{factors, users};
use kamiflow_store::{StoreError, UserTx};
use totp_rs::{Builder, Totp};

use super::Accounts;
use super::passkey::{self, Asked, PasskeyAnswer};
use super::password::HashError;
use super::secrets::hash_of;

/// Something that proves who somebody is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Six digits of a code generator.
    Totp(SecretText),
    /// A recovery code, good once.
    Recovery(SecretText),
    /// What a passkey answered.
    Passkey(PasskeyAnswer),
    /// The password. Proves nothing in the second step of a log-in, which began with it.
    Password(SecretText),
}

/// What a proof is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judged {
    /// It proves who somebody is.
    Good,
    /// It proves nothing.
    Wrong,
    /// It comes from a copy of this passkey, so it proves nothing.
    Copied(FactorId),
}

impl From<bool> for Judged {
    fn from(is_good: bool) -> Self {
        if is_good { Self::Good } else { Self::Wrong }
    }
}

/// Why a proof could not be judged.
#[derive(Debug, thiserror::Error)]
pub enum ProofError {
    /// The password could not be compared.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error("the proof could not be judged")]
    Store(#[from] StoreError),
}

/// Judges a second factor of whom was asked for one; a code is good once, and so is a passkey's answer.
pub(super) async fn judge_factor(
    accounts: &Accounts,
    tx: &mut UserTx,
    (proof, asked): (&Proof, Asked),
    now: DateTime<Utc>,
) -> Result<Judged, StoreError> {
    match proof {
        Proof::Totp(code) => Ok(is_next_code(tx, code, now).await?.into()),
        Proof::Recovery(code) => Ok(factors::claim_recovery_code(tx, &recovery_hash(code), now).await?.into()),
        Proof::Passkey(answer) => passkey::judge(&accounts.config, tx, (answer, asked), now).await,
        Proof::Password(_) => Ok(Judged::Wrong),
    }
}

async fn is_next_code(tx: &mut UserTx, code: &SecretText, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let Some(totp) = factors::lock_totp(tx, factors::Which::Confirmed).await? else { return Ok(false) };
    let Some(step) = step_of(&totp.secret, code, now).filter(|step| *step > totp.last_step) else {
        return Ok(false);
    };
    factors::update_totp_used(tx, totp.id, step, now).await?;
    Ok(true)
}

/// Judges a proof of somebody who is logged in: a second factor, or the password.
pub(super) async fn judge(
    accounts: &Accounts,
    tx: &mut UserTx,
    (proof, asked): (&Proof, Asked),
    now: DateTime<Utc>,
) -> Result<Judged, ProofError> {
    let Proof::Password(password) = proof else {
        return Ok(judge_factor(accounts, tx, (proof, asked), now).await?);
    };
    let stored = users::fetch_password_hash(tx).await?;
    Ok(accounts.hasher.verify(password, Some(&stored)).await?.into())
}

/// Returns the step a code belongs to: the present one, or one of its neighbors, because clocks differ.
pub(super) fn step_of(secret: &SecretBytes, code: &SecretText, now: DateTime<Utc>) -> Option<i64> {
    let digits: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
    let step = generator(secret)?.check(&digits, u64::try_from(now.timestamp()).ok()?)?;
    i64::try_from(step).ok()
}

/// Six digits, thirty seconds, SHA-1: what every authenticator understands.
fn generator(secret: &SecretBytes) -> Option<Totp> {
    Builder::new().with_secret(secret.expose().to_vec()).build().ok()
}

/// Returns what is stored of a recovery code, however it was typed.
pub(super) fn recovery_hash(code: &SecretText) -> [u8; 32] {
    let typed: String = code.expose().chars().filter(char::is_ascii_alphanumeric).collect();
    hash_of(&SecretText::new(typed.to_ascii_uppercase()))
}
