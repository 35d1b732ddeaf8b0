//! Asks for a passkey that is registered: in the second step of a log-in, or for a fresh proof.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{MerchantId, SecretText, UserId};
use kamiflow_store::UserTx;
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use webauthn_rs::prelude::SecurityKey;

use super::{Asked, PasskeyError, Question, keep, known, site};
use crate::accounts::second_step::MOST_TRIES;
use crate::accounts::throttle::{self, Passage};
use crate::accounts::{Account, Accounts, Visit, one_time};

/// Asks somebody who has said the password. The log-in stays open, for a code as well.
///
/// # Errors
/// When the log-in is too old, there is no passkey, there were too many questions, or the store fails.
pub async fn ask_in_log_in(
    accounts: &Accounts,
    visit: &Visit,
    challenge: &SecretText,
) -> Result<Question, PasskeyError> {
    let found = one_time::whose(&accounts.store, challenge).await?;
    let (user, hash) = found.ok_or(PasskeyError::ChallengeRefused)?;
    pass(accounts, user).await?;
    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let first = tokens::lock(&mut tx, TokenPurpose::SecondStep, &hash, visit.now).await?;
    let first = first.filter(|row| row.tries < MOST_TRIES).ok_or(PasskeyError::ChallengeRefused)?;
    ask(accounts, tx, Asked::FirstStep(first.id), visit.now).await
}

/// Asks somebody who is logged in.
///
/// # Errors
/// When there is no passkey, there were too many questions, or the store fails.
pub async fn ask_in_session(accounts: &Accounts, visit: &Visit, account: &Account) -> Result<Question, PasskeyError> {
    pass(accounts, account.user).await?;
    let tx = accounts.store.user_tx(account.home(), account.user).await?;
    ask(accounts, tx, Asked::Session(account.session), visit.now).await
}

/// A question costs a row, so not too many are asked. Whoever has come so far has given the password: strangers have no part in
/// this count.
async fn pass(accounts: &Accounts, user: UserId) -> Result<(), PasskeyError> {
    match accounts.throttle.pass(&throttle::of_questions(user)).await? {
        Passage::Open => Ok(()),
        Passage::Wait(retry_after) => Err(PasskeyError::TooMany { retry_after }),
    }
}

async fn ask(accounts: &Accounts, mut tx: UserTx, asked: Asked, now: DateTime<Utc>) -> Result<Question, PasskeyError> {
    let site = site(&accounts.config)?;
    let known: Vec<SecurityKey> = known(&mut tx).await?.into_iter().map(|(_, passkey)| passkey).collect();
    if known.is_empty() {
        return Err(PasskeyError::NoPasskey);
    }
    let (mut options, state) = site.start_securitykey_authentication(&known).map_err(|_error| PasskeyError::NotHere)?;
    options.public_key.hints = None;
    let question = keep(&mut tx, TokenPurpose::AskPasskey, (asked, state), &options, now).await?;
    tx.commit().await?;
    Ok(question)
}
