//! Proofs of who somebody is, beside the first password: a code, a recovery code, the password once more.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{SecretBytes, SecretText};
use kamiflow_store::accounts::{factors, users};
use kamiflow_store::{StoreError, UserTx};
use totp_rs::{Builder, Totp};

use super::Accounts;
use super::password::HashError;
use super::secrets::hash_of;

/// Something that proves who somebody is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Six digits of a code generator.
    Totp(SecretText),
    /// A recovery code, good once.
    Recovery(SecretText),
    /// The password. Proves nothing in the second step of a log-in, which began with it.
    Password(SecretText),
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

/// Returns whether a second factor is proved; a code is good once.
pub(super) async fn is_second_factor(tx: &mut UserTx, proof: &Proof, now: DateTime<Utc>) -> Result<bool, StoreError> {
    match proof {
        Proof::Totp(code) => {
            let Some(totp) = factors::lock_totp(tx, factors::Which::Confirmed).await? else { return Ok(false) };
            let Some(step) = step_of(&totp.secret, code, now).filter(|step| *step > totp.last_step) else {
                return Ok(false);
            };
            factors::update_totp_used(tx, totp.id, step, now).await?;
            Ok(true)
        }
        Proof::Recovery(code) => factors::claim_recovery_code(tx, &recovery_hash(code), now).await,
        Proof::Password(_) => Ok(false),
    }
}

/// Returns whether a proof is good for somebody who is logged in: a second factor, or the password.
pub(super) async fn is_good(
    accounts: &Accounts,
    tx: &mut UserTx,
    proof: &Proof,
    now: DateTime<Utc>,
) -> Result<bool, ProofError> {
    let Proof::Password(password) = proof else { return Ok(is_second_factor(tx, proof, now).await?) };
    let stored = users::fetch_password_hash(tx).await?;
    Ok(accounts.hasher.verify(password, Some(&stored)).await?)
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
