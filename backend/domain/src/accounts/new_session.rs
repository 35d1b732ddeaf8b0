//! Begins a session: what a successful log-in ends in.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{FactorId, MerchantId, SecretText, SessionId, UserId};
use kamiflow_store::accounts::{devices, sessions, users};
use kamiflow_store::audit::{self, NewAudit};
use kamiflow_store::{StoreError, UserTx};
use serde_json::json;

use super::access_token::{AccessKeysError, Bearer};
use super::letter::{Addressed, Letter};
use super::secrets::{Fresh, fresh, hash_of};
use super::{Accounts, Visit, after, send_mail};
use crate::engine::Wake;

/// A session that has begun, with everything its browser is handed.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Who.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// Proves it for ten minutes.
    pub access: SecretText,
    /// When the access token ends.
    pub access_expires_at: DateTime<Utc>,
    /// Good once, for a new access token and its own successor.
    pub refresh: SecretText,
    /// When the session ends if it is not used.
    pub refresh_expires_at: DateTime<Utc>,
    /// By which the browser is known again, for a year.
    pub device: SecretText,
    /// Whether the next thing to do is to choose a password.
    pub must_change_password: bool,
}

/// What is known when a session begins.
pub(super) struct Proven {
    pub(super) device: Fresh,
    pub(super) merchant: Option<MerchantId>,
    pub(super) second_factor: bool,
}

/// A session's refresh token: its id, so that it is found; what all its tokens share, which proves that one of them was
/// held; and a secret that is good once. Of both the hash is stored.
pub(super) fn refresh_token(session: SessionId, family: &SecretText, secret: &SecretText) -> SecretText {
    SecretText::new(format!("{}.{}.{}", session.as_uuid().simple(), family.expose(), secret.expose()))
}

/// Returns what the audit log calls a session: the same for all its acts, and nothing that anything takes as its id.
pub(super) fn mark_of(session: SessionId) -> String {
    let hash = hash_of(&SecretText::new(session.to_string()));
    hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

/// Writes a session of the transaction's user; the caller commits, and wakes whom it says.
pub(super) async fn begin(
    accounts: &Accounts,
    visit: &Visit,
    tx: &mut UserTx,
    proven: Proven,
) -> Result<(NewSession, Vec<Wake>), StoreError> {
    let (user, session) = (tx.user(), SessionId::generate());
    let row = users::fetch(tx).await?;
    let (family, secret) = (fresh(), fresh());
    let (browser, place) = (visit.browser(), visit.ip_prefix());
    let refresh_expires_at = after(visit.now, accounts.config.session_for);
    let new = sessions::NewSession {
        id: session,
        family_hash: &family.hash,
        refresh_hash: &secret.hash,
        merchant: proven.merchant,
        user_agent: &browser,
        ip_prefix: &place,
        second_factor_at: proven.second_factor.then_some(visit.now),
        at: visit.now,
        expires_at: refresh_expires_at,
    };
    sessions::insert(tx, &new).await?;
    let is_new = devices::upsert(tx, &proven.device.hash, &browser, visit.now).await?;
    let mut wakes = Vec::new();
    if let (true, Some(to)) = (is_new, row.email) {
        let link = format!("{}/account/sessions", accounts.config.base_url);
        let letter = Letter::NewDevice { at: visit.now, browser: browser.clone(), place: place.clone(), link };
        let mail = Addressed { to, locale: row.locale, letter };
        wakes.push(send_mail::plan(tx.tenant(), &mail, visit.now, DAY).await?);
    }
    let detail = json!({ "session": mark_of(session), "second_factor": proven.second_factor, "new_device": is_new });
    record(tx, visit, "account.log_in", detail).await?;
    let (access, access_expires_at) = access(accounts, Bearer { user, session }, visit.now)?;
    let begun = NewSession {
        user,
        session,
        access,
        access_expires_at,
        refresh: refresh_token(session, &family.secret, &secret.secret),
        refresh_expires_at,
        device: proven.device.secret,
        must_change_password: row.must_change_password,
    };
    Ok((begun, wakes))
}

const DAY: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

/// Signs an access token.
pub(super) fn access(
    accounts: &Accounts,
    bearer: Bearer,
    now: DateTime<Utc>,
) -> Result<(SecretText, DateTime<Utc>), StoreError> {
    let expires_at = after(now, accounts.config.access_for);
    let token = accounts
        .keys
        .sign(bearer, now, expires_at)
        .map_err(|error: AccessKeysError| StoreError::Corrupt(error.to_string()))?;
    Ok((token, expires_at))
}

/// Writes that a passkey was refused because there is a copy of it.
pub(super) async fn record_copied(tx: &mut UserTx, visit: &Visit, factor: FactorId) -> Result<(), StoreError> {
    record(tx, visit, "account.passkey_copied", json!({ "factor": factor })).await
}

/// Writes an act of the transaction's user upon herself into the log of the transaction's merchant.
pub(crate) async fn record(
    tx: &mut UserTx,
    visit: &Visit,
    action: &'static str,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let (who, place) = (tx.user().to_string(), visit.ip_prefix());
    let act = NewAudit {
        actor: &who,
        action,
        target: &who,
        request_id: &visit.request_id,
        ip: &place,
        detail,
        at: visit.now,
    };
    audit::insert(tx.tenant(), &act).await
}
