//! The end of a recovery: a new password and a new code generator by the link; everything else of before is gone.

use kamiflow_kernel::{MerchantId, RecoveryId, Role, SecretText};
use kamiflow_store::StoreError;
use kamiflow_store::account_recoveries::{self, RecoveryEnd};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::{devices, factors, users};
use kamiflow_store::team::members;
use serde::Deserialize;
use serde_json::json;

use super::{News, tell_team};
use crate::accounts::enrollment::{self, Chosen, EnrollError, Link};
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

/// Returns a seed that waits for its first code.
///
/// # Errors
/// When the link is refused, or the store fails.
pub async fn begin_anew(accounts: &Accounts, visit: &Visit, token: &SecretText) -> Result<TotpSeed, EnrollError> {
    let (tx, seed) = enrollment::begin(accounts, visit, Link::of_platform(PURPOSE, token)).await?;
    tx.commit().await?;
    Ok(seed)
}

/// Takes the new password and the first code: former factors, sessions, links and tokens of the API are good for nothing
/// from then on. Returns recovery codes.
///
/// # Errors
/// When the link, the password or the code is refused, the recovery was ended, its owner is none any more, or the store
/// fails.
pub async fn finish_anew(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
    chosen: Chosen,
) -> Result<Vec<SecretText>, EnrollError> {
    let about = about(accounts, visit, token).await?;
    let link = Link { purpose: PURPOSE, token, home: about.merchant };
    let (mut tx, codes) = enrollment::finish(accounts, visit, link, chosen).await?;
    let owner = tx.user();
    // The link may be older than the end of the recovery, or of the seat that it was for.
    let seat = match members::lock(tx.tenant(), owner).await {
        Err(StoreError::NotFound(_)) => None,
        locked => Some(locked?),
    };
    let is_owner = seat.is_some_and(|seat| seat.role == Role::Owner);
    let tenant = tx.tenant();
    if !is_owner || !account_recoveries::update_ended(tenant, about.recovery, RecoveryEnd::Done, visit.now).await? {
        return Err(EnrollError::TokenRefused);
    }
    users::void_api_tokens(&mut tx, visit.now).await?;
    factors::delete_passkeys(&mut tx).await?;
    for purpose in [TokenPurpose::ResetPassword, TokenPurpose::ChangeEmail, TokenPurpose::SecondStep] {
        tokens::delete(&mut tx, purpose).await?;
    }
    let ended = sessions::update_all_ended(&mut tx, None, SessionEnd::Reset, visit.now).await?;
    devices::delete_all(&mut tx).await?;
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
