//! Passkeys: a key in somebody's phone, computer or on a stick that signs a question of ours, beside the password.
//!
//! ```text
//! enroll::begin ─► question ─► the browser's authenticator ─► enroll::finish: its public part is stored
//! ask::in_log_in, ask::in_session ─► question ─► … ─► the answer is a `Proof` like a code
//! ```
//! # What a question is
//! Random bytes that the authenticator signs together with the site's address. What is needed to judge the answer lies in
//! `one_time_tokens` until then: for five minutes, for one answer, and for whoever was asked, which is one session, or one
//! log-in that is half finished. Whatever the answer, the question is used up by it.
//!
//! # Which site
//! The one of the public address in the configuration; no header of a request is asked. An address without a name, such as
//! `http://127.0.0.1`, has no passkeys: browsers bind them to names.
//!
//! # A copied passkey
//! Some authenticators count their signatures. A count that does not rise means that there are two of them: the answer is
//! refused, which the audit log tells.

pub mod ask;
pub mod enroll;

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, SecretText, SessionId};
use kamiflow_store::accounts::factors;
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::{StoreError, UserTx};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tracing::debug;
use uuid::Uuid;
use webauthn_rs::prelude::{
    AuthenticationResult, Credential, PublicKeyCredential, SecurityKey, SecurityKeyAuthentication, Url, Webauthn,
    WebauthnBuilder, WebauthnError,
};

use super::proof::Judged;
use super::secrets::hash_of;
use super::sudo::SudoNeeded;
use super::throttle::ThrottleDown;
use super::{AccountsConfig, one_time};

/// How long an answer may take.
const QUESTION_FOR: Duration = Duration::from_secs(5 * 60);

/// A question for the browser's authenticator.
#[derive(Debug, Clone)]
pub struct Question {
    /// What the browser's `navigator.credentials` takes, as JSON; no secret.
    pub options: String,
    /// Names the question in the answer.
    pub token: SecretText,
}

/// What the browser's authenticator says.
#[derive(Debug, Clone)]
pub struct PasskeyAnswer {
    /// The question's.
    pub token: SecretText,
    /// The credential, as JSON.
    pub credential: String,
}

/// Why a passkey was neither asked nor added.
#[derive(Debug, thiserror::Error)]
pub enum PasskeyError {
    /// It asks for a fresh proof.
    #[error(transparent)]
    Sudo(#[from] SudoNeeded),
    /// The site's address has no name, so browsers know no passkeys of it.
    #[error("the address of this site has no name that passkeys could be bound to")]
    NotHere,
    /// The user has none.
    #[error("there is no passkey")]
    NoPasskey,
    /// The user has as many as there may be.
    #[error("there are too many passkeys already")]
    Enough,
    /// What it shall be called is empty or too long.
    #[error("this is no name for a passkey")]
    Name,
    /// The answer is not one to the question, or the question is too old or was answered.
    #[error("the passkey was refused")]
    Refused,
    /// The log-in is too old or was finished: begin again.
    #[error("this log-in has to begin again")]
    ChallengeRefused,
    /// Somebody has registered this passkey.
    #[error("this passkey is registered already")]
    Taken,
    /// Too many questions.
    #[error("too many attempts: try again in {} seconds", retry_after.as_secs())]
    TooMany {
        /// Not before.
        retry_after: Duration,
    },
    /// Questions cannot be counted.
    #[error(transparent)]
    Throttle(#[from] ThrottleDown),
    /// The store failed.
    #[error("the passkey could not be read or stored")]
    Store(#[from] StoreError),
}

/// Who was asked: nobody else's answer counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Asked {
    /// Somebody who is logged in.
    Session(SessionId),
    /// Somebody who has said the password: the token of the first step.
    FirstStep(Uuid),
}

/// What is kept of a question.
#[derive(Serialize, Deserialize)]
struct Kept<S> {
    asked: Asked,
    state: S,
}

/// Returns whether the site has passkeys.
#[must_use]
pub fn are_possible(config: &AccountsConfig) -> bool {
    site(config).is_ok()
}

/// Returns the site as passkeys know it.
fn site(config: &AccountsConfig) -> Result<Webauthn, PasskeyError> {
    let origin = Url::parse(&config.base_url).map_err(|_error| PasskeyError::NotHere)?;
    let name = origin.domain().ok_or(PasskeyError::NotHere)?;
    let builder = WebauthnBuilder::new(name, &origin).map_err(|_error| PasskeyError::NotHere)?;
    builder.rp_name("Kamiflow").timeout(QUESTION_FOR).build().map_err(|_error| PasskeyError::NotHere)
}

/// Keeps what the answer is judged by, and returns the question.
async fn keep<S: Serialize>(
    tx: &mut UserTx,
    purpose: TokenPurpose,
    (asked, state): (Asked, S),
    options: &impl Serialize,
    now: DateTime<Utc>,
) -> Result<Question, StoreError> {
    let payload = serde_json::to_value(Kept { asked, state }).map_err(unreadable)?;
    let token = one_time::issue(tx, purpose, payload, now, QUESTION_FOR).await?;
    Ok(Question { options: serde_json::to_string(options).map_err(unreadable)?, token })
}

/// Uses a question up; `None` if it is none, too old, used, or was asked of somebody else.
async fn take<S: DeserializeOwned>(
    tx: &mut UserTx,
    purpose: TokenPurpose,
    (token, asked): (&SecretText, Asked),
    now: DateTime<Utc>,
) -> Result<Option<S>, StoreError> {
    let Some(row) = tokens::lock(tx, purpose, &hash_of(token), now).await? else { return Ok(None) };
    tokens::update_used(tx, row.id, now).await?;
    let kept: Kept<S> = serde_json::from_value(row.payload).map_err(unreadable)?;
    Ok((kept.asked == asked).then_some(kept.state))
}

/// Locks and reads the user's passkeys.
async fn known(tx: &mut UserTx) -> Result<Vec<(FactorId, SecurityKey)>, StoreError> {
    let rows = factors::lock_passkeys(tx).await?;
    rows.into_iter().map(|row| Ok((row.id, serde_json::from_value(row.credential).map_err(unreadable)?))).collect()
}

/// Judges an answer; the question is used up, also by a wrong one, so the caller commits either way.
pub(super) async fn judge(
    config: &AccountsConfig,
    tx: &mut UserTx,
    (answer, asked): (&PasskeyAnswer, Asked),
    now: DateTime<Utc>,
) -> Result<Judged, StoreError> {
    let state = take(tx, TokenPurpose::AskPasskey, (&answer.token, asked), now).await?;
    let (Some(state), Ok(site)) = (state, site(config)) else { return Ok(Judged::Wrong) };
    let Ok(credential) = serde_json::from_str::<PublicKeyCredential>(&answer.credential) else {
        return Ok(Judged::Wrong);
    };
    let whose = credential.response.user_handle.as_deref();
    if whose.is_some_and(|handle| handle != tx.user().as_uuid().as_bytes()) {
        return Ok(Judged::Wrong);
    }
    // As they are now: one that was removed since the question answers nothing.
    let mut passkeys = known(tx).await?.into_iter();
    let Some((factor, mut passkey)) = passkeys.find(|(_, passkey)| *passkey.cred_id() == credential.raw_id) else {
        return Ok(Judged::Wrong);
    };
    match signed(&site, &credential, &state, &passkey) {
        Ok(result) => {
            passkey.update_credential(&result);
            let stored = serde_json::to_value(&passkey).map_err(unreadable)?;
            factors::update_passkey_used(tx, factor, &stored, now).await?;
            Ok(Judged::Good)
        }
        Err(WebauthnError::CredentialPossibleCompromise) => Ok(Judged::Copied(factor)),
        Err(error) => {
            debug!(factor.id = %factor, %error, "An answer of the passkey `{factor}` was refused");
            Ok(Judged::Wrong)
        }
    }
}

/// Looks at the signature, and at the count of signatures as it is stored now: between the question and this answer
/// another one may have been answered.
fn signed(
    site: &Webauthn,
    credential: &PublicKeyCredential,
    state: &SecurityKeyAuthentication,
    passkey: &SecurityKey,
) -> Result<AuthenticationResult, WebauthnError> {
    let result = site.finish_securitykey_authentication(credential, state)?;
    let before = Credential::from(passkey.clone()).counter;
    if before > 0 && result.counter() <= before {
        return Err(WebauthnError::CredentialPossibleCompromise);
    }
    Ok(result)
}

fn unreadable(error: serde_json::Error) -> StoreError {
    StoreError::Corrupt(format!("what is stored of a passkey cannot be read: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_address_with_a_name_has_passkeys() {
        let at = |base_url: &str| are_possible(&AccountsConfig { base_url: base_url.to_owned(), ..Default::default() });
        for named in ["https://kamiflow.example", "http://localhost:8080"] {
            assert!(at(named), "{named}");
        }
        for unnamed in ["http://127.0.0.1:8080", "http://[::1]:8080", "kamiflow.example", ""] {
            assert!(!at(unnamed), "{unnamed}");
        }
    }
}
