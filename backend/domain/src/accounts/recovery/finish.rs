//! The end of a recovery: a new password and a new code generator by the link; everything else of before is gone.

use kamiflow_kernel::{MerchantId, RecoveryId, SecretText};
use kamiflow_store::StoreError;
use kamiflow_store::account_recoveries::{self, RecoveryEnd};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::{devices, factors};
use serde::Deserialize;
use serde_json::json;

use super::{News, tell_team};
use crate::accounts::enrollment::{self, EnrollError, Link};
use crate::accounts::letter::RecoveryStep;
use crate::accounts::new_session::record;
use crate::accounts::totp::TotpSeed;
use crate::accounts::{Accounts, Visit, one_time};

const PURPOSE: TokenPurpose = TokenPurpose::RecoverAccount;

/// What the link's token is about.
#[derive(Deserialize)]
struct About {
    merchant: MerchantId,
    recovery: RecoveryId,
}

/// Sets the new password; returns a seed that waits for its first code.
///
/// # Errors
/// When the link or the password is refused, or the store fails.
pub async fn begin_anew(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
    password: SecretText,
) -> Result<TotpSeed, EnrollError> {
    let (tx, seed) = enrollment::begin(accounts, visit, Link::of_platform(PURPOSE, token), password).await?;
    tx.commit().await?;
    Ok(seed)
}

/// Takes the first code: former factors, sessions and links are good for nothing from then on. Returns recovery codes.
///
/// # Errors
/// When the link or the code is refused, or the store fails.
pub async fn finish_anew(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
    code: &SecretText,
) -> Result<Vec<SecretText>, EnrollError> {
    let about = about(accounts, visit, token).await?;
    let link = Link { purpose: PURPOSE, token, home: about.merchant };
    let (mut tx, codes) = enrollment::finish(accounts, visit, link, code).await?;
    let owner = tx.user();
    factors::delete_passkeys(&mut tx).await?;
    for purpose in [TokenPurpose::ResetPassword, TokenPurpose::ChangeEmail, TokenPurpose::SecondStep] {
        tokens::delete(&mut tx, purpose).await?;
    }
    let ended = sessions::update_all_ended(&mut tx, None, SessionEnd::Reset, visit.now).await?;
    devices::delete_all(&mut tx).await?;
    account_recoveries::update_ended(tx.tenant(), about.recovery, RecoveryEnd::Done, visit.now).await?;
    let news = News { owner, step: RecoveryStep::Done, stop: None };
    let wakes = tell_team(tx.tenant(), visit.now, &news).await?;
    record(&mut tx, visit, "account.recovered", json!({ "recovery": about.recovery, "signed_out": ended })).await?;
    tx.commit().await?;
    accounts.wakes.wake(about.merchant, &wakes).await;
    Ok(codes)
}

/// Says which merchant the link is about, in whose transaction the rest is done.
async fn about(accounts: &Accounts, visit: &Visit, token: &SecretText) -> Result<About, EnrollError> {
    let (user, hash) = one_time::whose(&accounts.store, token).await?.ok_or(EnrollError::TokenRefused)?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let row = tokens::lock(&mut tx, PURPOSE, &hash, visit.now).await?.ok_or(EnrollError::TokenRefused)?;
    tx.commit().await?;
    serde_json::from_value(row.payload)
        .map_err(|error| StoreError::Corrupt(format!("a link cannot be read: {error}")).into())
}
