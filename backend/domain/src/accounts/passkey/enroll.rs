//! Adds a passkey: a question to an authenticator that makes a new key, and its answer.

use kamiflow_kernel::{FactorId, SecretText};
use kamiflow_store::accounts::factors::{self, NewPasskey};
use kamiflow_store::accounts::tokens::TokenPurpose;
use kamiflow_store::accounts::users;
use serde_json::json;
use webauthn_rs::prelude::{RegisterPublicKeyCredential, SecurityKey, SecurityKeyRegistration, Webauthn};

use super::{Asked, PasskeyAnswer, PasskeyError, Question, keep, known, site, take, unreadable};
use crate::accounts::new_session::record;
use crate::accounts::{Account, Accounts, Visit, sudo, told, totp};

/// Passkeys of one user.
const MOST: usize = 10;
/// Letters of a name.
const LONGEST_NAME: usize = 40;

/// Asks for a new key, by an authenticator that holds none of the user's yet.
///
/// # Errors
/// When a fresh proof is needed, passkeys are not possible, there are enough, or the store fails.
pub async fn begin_passkey(accounts: &Accounts, visit: &Visit, account: &Account) -> Result<Question, PasskeyError> {
    sudo::require(account, visit)?;
    let site = site(&accounts.config)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    let known: Vec<Vec<u8>> = known(&mut tx).await?.iter().map(|(_, passkey)| passkey.cred_id().clone()).collect();
    if known.len() >= MOST {
        return Err(PasskeyError::Enough);
    }
    let login = account.login.as_str();
    let name = if account.name.is_empty() { login } else { &account.name };
    let asked = site.start_securitykey_registration(account.user.as_uuid(), login, name, Some(known), None, None);
    let (mut options, state) = asked.map_err(|_error| PasskeyError::NotHere)?;
    // The library would have browsers look for a stick first; a phone or the computer itself is as good.
    options.public_key.hints = None;
    // It would also have the key sign for nobody unverified, and Chromium makes no such key where verification is preferred, not
    // required (https://github.com/kanidm/webauthn-rs/issues/490). Answers are judged by what the key did when it was added.
    if let Some(extensions) = options.public_key.extensions.as_mut() {
        extensions.cred_protect = None;
    }
    let asked = Asked::Session(account.session);
    let question = keep(&mut tx, TokenPurpose::EnrollPasskey, (asked, state), &options, visit.now).await?;
    tx.commit().await?;
    Ok(question)
}

/// Stores the new passkey; from then on a log-in asks for a second factor. Returns recovery codes if there were none.
///
/// # Errors
/// When the answer or the name is refused, a fresh proof is needed, or the store fails.
pub async fn finish_passkey(
    accounts: &Accounts,
    visit: &Visit,
    account: &Account,
    (answer, name): (&PasskeyAnswer, &str),
) -> Result<Vec<SecretText>, PasskeyError> {
    sudo::require(account, visit)?;
    let name = name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.contains(char::is_control) {
        return Err(PasskeyError::Name);
    }
    let site = site(&accounts.config)?;
    let mut tx = accounts.store.user_tx(account.home(), account.user).await?;
    users::lock(&mut tx).await?;
    if known(&mut tx).await?.len() >= MOST {
        return Err(PasskeyError::Enough);
    }
    let asked = (&answer.token, Asked::Session(account.session));
    let state = take(&mut tx, TokenPurpose::EnrollPasskey, asked, visit.now).await?;
    let Some(passkey) = state.and_then(|state| made(&site, &state, &answer.credential)) else {
        // The question is used up.
        tx.commit().await?;
        return Err(PasskeyError::Refused);
    };
    let (factor, stored) = (FactorId::generate(), serde_json::to_value(&passkey).map_err(unreadable)?);
    let new = NewPasskey { id: factor, name, credential_id: passkey.cred_id(), credential: &stored, at: visit.now };
    factors::insert_passkey(&mut tx, &new).await.map_err(|error| match error.constraint() {
        Some("second_factors_credential_once") => PasskeyError::Taken,
        _ => error.into(),
    })?;
    let codes = totp::first_codes(&mut tx, visit.now).await?;
    let wakes = told::factors_changed(accounts, &mut tx, visit).await?;
    record(&mut tx, visit, "account.passkey_add", json!({ "factor": factor })).await?;
    tx.commit().await?;
    accounts.wakes.wake(account.home(), &wakes).await;
    Ok(codes)
}

fn made(site: &Webauthn, state: &SecurityKeyRegistration, credential: &str) -> Option<SecurityKey> {
    let credential: RegisterPublicKeyCredential = serde_json::from_str(credential).ok()?;
    site.finish_securitykey_registration(&credential, state).ok()
}
