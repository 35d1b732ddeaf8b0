//! Exchanges a refresh token for an access token and its own successor.
//!
//! A browser sends two requests at a time, and both may find the access token too old. The second then presents the token
//! that the first has just exchanged: within ten seconds it gets an access token and no successor. Later, two hold the
//! session's tokens, and nobody can say which of them is the thief: the session ends. That a token was good once shows in
//! the part that all tokens of a session share: who knows no more than the session's id ends nothing.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{MerchantId, SecretText, SessionId, UserId};
use kamiflow_store::accounts::lookup;
use kamiflow_store::accounts::sessions::{self, Family, SessionEnd};
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;
use tracing::warn;
use uuid::Uuid;

use super::access_token::Bearer;
use super::new_session::{access, mark_of, record, refresh_token};
use super::secrets::{fresh, hash_of};
use super::{Accounts, Visit, after};

/// So long the token before is another request of the same browser.
const GRACE: TimeDelta = TimeDelta::seconds(10);

/// A session that goes on.
#[derive(Debug, Clone)]
pub struct Refreshed {
    /// Who.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Proves it for ten minutes.
    pub access: SecretText,
    /// When the access token ends.
    pub access_expires_at: DateTime<Utc>,
    /// The successor; `None` when another request of the browser has just been given it.
    pub refresh: Option<SecretText>,
    /// When the session ends if it is not used.
    pub refresh_expires_at: DateTime<Utc>,
}

/// Why a session does not go on.
#[derive(Debug, thiserror::Error)]
pub enum RefreshSessionError {
    /// The token is none of ours, or its session has ended: log in.
    #[error("the session has ended")]
    Ended,
    /// The token had been exchanged before, so the session was ended: log in.
    #[error("the session was ended because its token was used twice")]
    Reused,
    /// The store failed.
    #[error("the session could not be read")]
    Store(#[from] StoreError),
}

enum Presented {
    Good,
    JustExchanged,
    Reused,
    Unknown,
}

/// A refresh token, taken apart.
struct Token {
    session: SessionId,
    family: SecretText,
    secret: SecretText,
}

/// Exchanges a refresh token.
///
/// # Errors
/// When the session has ended, now or before, or the store fails.
pub async fn refresh_session(
    accounts: &Accounts,
    visit: &Visit,
    token: &SecretText,
) -> Result<Refreshed, RefreshSessionError> {
    let token = parse(token).ok_or(RefreshSessionError::Ended)?;
    let session = token.session;
    // Whose the session is is not known yet; its id is told to its own browser only.
    let mut lookup_tx = accounts.store.system_tx().await?;
    let user = lookup::find_user_of_session(&mut lookup_tx, session).await?;
    lookup_tx.commit().await?;
    let user = user.ok_or(RefreshSessionError::Ended)?;

    let mut tx = accounts.store.user_tx(MerchantId::PLATFORM, user).await?;
    let family = sessions::lock(&mut tx, session).await?.ok_or(RefreshSessionError::Ended)?;
    if family.ended_at.is_some() || family.expires_at <= visit.now {
        return Err(RefreshSessionError::Ended);
    }
    let refresh = match judge(&family, &token, visit.now) {
        Presented::Good => Some(exchange(accounts, visit, &mut tx, &token).await?),
        Presented::JustExchanged => None,
        Presented::Unknown => return Err(RefreshSessionError::Ended),
        Presented::Reused => {
            sessions::update_ended(&mut tx, session, SessionEnd::Reuse, visit.now).await?;
            record(&mut tx, visit, "account.session_reuse", json!({ "session": mark_of(session) })).await?;
            tx.commit().await?;
            warn!(session.id = %session, user.id = %user, "A refresh token of session `{session}` was used twice");
            return Err(RefreshSessionError::Reused);
        }
    };
    let (access, access_expires_at) = access(accounts, Bearer { user, session }, visit.now)?;
    tx.commit().await?;
    let refresh_expires_at =
        if refresh.is_some() { after(visit.now, accounts.config.session_for) } else { family.expires_at };
    Ok(Refreshed { user, session, access, access_expires_at, refresh, refresh_expires_at })
}

/// Takes `<session id>.<family>.<secret>` apart; of a session from before there were families `<session id>.<secret>`.
fn parse(token: &SecretText) -> Option<Token> {
    let (id, rest) = token.expose().split_once('.')?;
    let (family, secret) = rest.split_once('.').unwrap_or(("", rest));
    let session = SessionId::from_uuid(Uuid::try_parse(id).ok()?);
    Some(Token { session, family: family.into(), secret: secret.into() })
}

fn judge(family: &Family, token: &Token, now: DateTime<Utc>) -> Presented {
    let hash = hash_of(&token.secret);
    // Hashes of 256 random bits: comparing them bit by bit tells nothing that could be used.
    if family.refresh_hash == hash {
        return Presented::Good;
    }
    let is_previous = family.previous_hash.as_deref() == Some(hash.as_slice());
    let is_of_family = family.family_hash.as_deref() == Some(hash_of(&token.family).as_slice());
    match (is_previous, is_of_family) {
        (true, _) if now - family.rotated_at < GRACE => Presented::JustExchanged,
        (true, _) | (_, true) => Presented::Reused,
        (false, false) => Presented::Unknown,
    }
}

async fn exchange(
    accounts: &Accounts,
    visit: &Visit,
    tx: &mut UserTx,
    token: &Token,
) -> Result<SecretText, StoreError> {
    let next = fresh();
    let expires_at = after(visit.now, accounts.config.session_for);
    sessions::update_rotated(tx, token.session, &next.hash, visit.now, expires_at).await?;
    Ok(refresh_token(token.session, &token.family, &next.secret))
}
