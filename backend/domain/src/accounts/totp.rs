//! Adds a code generator: a seed is shown once, and the first code proves that it has arrived.

use std::fmt::Write as _;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, LoginName, MerchantId, SecretBytes, SecretText};
use kamiflow_store::accounts::factors::{self, Which};
use kamiflow_store::accounts::users;
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;
use totp_rs::Secret;

use super::new_session::record;
use super::proof::{recovery_hash, step_of};
use super::sudo::{self, SudoNeeded};
use super::{Account, Accounts, Visit, told};

/// Codes in a set of recovery codes.
const RECOVERY_CODES: usize = 10;

/// A seed to be put into an authenticator.
#[derive(Debug, Clone)]
pub struct TotpSeed {
    /// For typing: base32 in groups of four.
    pub text: SecretText,
    /// For a QR code: `otpauth://…`.
    pub url: SecretText,
}

/// Why a code generator was not added.
#[derive(Debug, thiserror::Error)]
pub enum TotpError {
    /// It asks for a fresh proof.
    #[error(transparent)]
    Sudo(#[from] SudoNeeded),
    /// The code is not the seed's now.
    #[error("the code is wrong: look whether the clock of the phone is right")]
    WrongCode,
    /// The store failed.
    #[error("the code generator could not be stored")]
    Store(#[from] StoreError),
}

/// Makes a seed that waits for its first code. The one in use stays until then.
///
/// # Errors
/// When a fresh proof is needed or the store fails.
pub async fn enroll_totp(accounts: &Accounts, visit: &Visit, account: &Account) -> Result<TotpSeed, TotpError> {
    sudo::require(account, visit)?;
    // The platform's key seals it: a user belongs to no merchant.
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, account.user).await?;
    let seed = plant(&mut tx, &account.login, visit.now).await?;
    tx.commit().await?;
    Ok(seed)
}

/// Writes a seed that waits for its first code, in a transaction of the platform.
pub(super) async fn plant(tx: &mut UserTx, login: &LoginName, now: DateTime<Utc>) -> Result<TotpSeed, StoreError> {
    let mut bytes = [0_u8; 20];
    rand::fill(&mut bytes);
    let secret = SecretBytes::new(bytes.to_vec());
    factors::insert_totp(tx, FactorId::generate(), &secret, now).await?;
    Ok(shown(&secret, login.as_str()))
}

/// Takes the first code of the seed that waits for it; `None` when it is wrong.
pub(super) async fn take_first(
    tx: &mut UserTx,
    code: &SecretText,
    now: DateTime<Utc>,
) -> Result<Option<FactorId>, StoreError> {
    let Some(totp) = factors::lock_totp(tx, Which::Pending).await? else { return Ok(None) };
    let Some(step) = step_of(&totp.secret, code, now) else { return Ok(None) };
    factors::update_totp_confirmed(tx, totp.id, step, now).await?;
    Ok(Some(totp.id))
}

/// Takes the first code of a seed; from then on a log-in asks for codes. Returns recovery codes if there were none.
///
/// # Errors
/// When the code is wrong, a fresh proof is needed, or the store fails.
pub async fn confirm_totp(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    code: &SecretText,
) -> Result<Vec<SecretText>, TotpError> {
    sudo::require(account, visit)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    users::lock(&mut tx).await?;
    let factor = take_first(&mut tx, code, visit.now).await?.ok_or(TotpError::WrongCode)?;
    let codes = first_codes(&mut tx, visit.now).await?;
    let wakes = told::factors_changed(accounts, &mut tx, visit).await?;
    record(&mut tx, visit, "account.totp_add", json!({ "factor": factor })).await?;
    tx.commit().await?;
    accounts.wakes.wake(account.home(), &wakes).await;
    Ok(codes)
}

/// Makes new recovery codes; the former ones are good for nothing then.
///
/// # Errors
/// When a fresh proof is needed or the store fails.
pub async fn renew_recovery_codes(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
) -> Result<Vec<SecretText>, TotpError> {
    sudo::require(account, visit)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let codes = replace_codes(&mut tx, visit.now).await?;
    record(&mut tx, visit, "account.recovery_codes_renew", json!({})).await?;
    tx.commit().await?;
    Ok(codes)
}

/// Makes recovery codes if there are none, which is with the first second factor.
pub(super) async fn first_codes(tx: &mut UserTx, now: DateTime<Utc>) -> Result<Vec<SecretText>, StoreError> {
    match factors::count_recovery_codes(tx).await? {
        0 => replace_codes(tx, now).await,
        _ => Ok(Vec::new()),
    }
}

/// Makes recovery codes in the place of the former ones.
pub(super) async fn replace_codes(tx: &mut UserTx, now: DateTime<Utc>) -> Result<Vec<SecretText>, StoreError> {
    let codes: Vec<SecretText> = (0..RECOVERY_CODES).map(|_n| recovery_code()).collect();
    let hashes: Vec<[u8; 32]> = codes.iter().map(recovery_hash).collect();
    factors::replace_recovery_codes(tx, &hashes, now).await?;
    Ok(codes)
}

/// 80 random bits, in groups of four.
fn recovery_code() -> SecretText {
    let mut bytes = [0_u8; 10];
    rand::fill(&mut bytes);
    SecretText::new(in_groups(&Secret::from(bytes.to_vec()).to_base32()))
}

fn shown(secret: &SecretBytes, login: &str) -> TotpSeed {
    let base32 = Secret::from(secret.expose().to_vec()).to_base32();
    let mut label = String::new();
    for byte in login.bytes() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
        let _ = if plain { write!(label, "{}", char::from(byte)) } else { write!(label, "%{byte:02X}") };
    }
    let url = format!("otpauth://totp/Kamiflow:{label}?secret={base32}&issuer=Kamiflow");
    TotpSeed { text: SecretText::new(in_groups(&base32)), url: SecretText::new(url) }
}

fn in_groups(text: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join("-")
}
