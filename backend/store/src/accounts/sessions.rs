//! Sessions: one device each, a family of refresh tokens of which the latest is good.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{MerchantId, SessionId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::UserTx;

/// A session to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// SHA-256 of the part that all its refresh tokens share.
    pub family_hash: &'a [u8; 32],
    /// SHA-256 of the first refresh token's own part.
    pub refresh_hash: &'a [u8; 32],
    /// The merchant it works for first.
    pub merchant: Option<MerchantId>,
    /// What the browser calls itself; at most 300 characters.
    pub user_agent: &'a str,
    /// Where from, without the last part.
    pub ip_prefix: &'a str,
    /// When a second factor was proved.
    pub second_factor_at: Option<DateTime<Utc>>,
    /// Now.
    pub at: DateTime<Utc>,
    /// It ends when it was not used until then.
    pub expires_at: DateTime<Utc>,
}

/// A session that lives.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct SessionRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: SessionId,
    /// What the browser calls itself.
    #[diesel(sql_type = Text)]
    pub user_agent: String,
    /// Where from.
    #[diesel(sql_type = Text)]
    pub ip_prefix: String,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// Used last.
    #[diesel(sql_type = Timestamptz)]
    pub last_used_at: DateTime<Utc>,
    /// Whether a second factor was proved.
    #[diesel(sql_type = Bool)]
    pub second_factor: bool,
}

/// What a presented refresh token is compared with.
#[derive(Debug, Clone, QueryableByName)]
pub struct Family {
    /// The hash of the part that all its tokens share; a session from before there was one has none.
    #[diesel(sql_type = Nullable<Bytea>)]
    pub family_hash: Option<Vec<u8>>,
    /// The hash of the good one.
    #[diesel(sql_type = Bytea)]
    pub refresh_hash: Vec<u8>,
    /// The hash of the one before.
    #[diesel(sql_type = Nullable<Bytea>)]
    pub previous_hash: Option<Vec<u8>>,
    /// When the good one took its place.
    #[diesel(sql_type = Timestamptz)]
    pub rotated_at: DateTime<Utc>,
    /// It ends when it was not used until then.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
    /// When it ended, if it has.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionEnd {
    /// Its user signed out.
    SignedOut,
    /// A refresh token was presented that had been exchanged before.
    Reuse,
    /// The password was changed on another device.
    PasswordChanged,
    /// The password or the second factor was reset.
    Reset,
    /// The account was closed.
    Closed,
}

impl SessionEnd {
    /// Returns the stored text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SignedOut => "signed_out",
            Self::Reuse => "reuse",
            Self::PasswordChanged => "password_changed",
            Self::Reset => "reset",
            Self::Closed => "closed",
        }
    }
}

/// Begins a session.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut UserTx, new: &NewSession<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("INSERT INTO sessions (id, user_id, refresh_hash, rotated_at, active_merchant, user_agent, ip_prefix, created_at,
                               last_used_at, expires_at, second_factor_at, family_hash)
         VALUES ($1, $2, $3, $7, $4, $5, $6, $7, $7, $8, $9, $10)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Bytea, _>(new.refresh_hash.as_slice())
    .bind::<Nullable<SqlUuid>, _>(new.merchant.map(MerchantId::as_uuid))
    .bind::<Text, _>(new.user_agent)
    .bind::<Text, _>(new.ip_prefix)
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .bind::<Nullable<Timestamptz>, _>(new.second_factor_at)
    .bind::<Bytea, _>(new.family_hash.as_slice())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks a session, so that of two requests with one refresh token one comes first.
///
/// # Errors
/// When the statement fails.
pub async fn lock(tx: &mut UserTx, session: SessionId) -> Result<Option<Family>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT family_hash, refresh_hash, previous_hash, rotated_at, expires_at, ended_at FROM sessions
             WHERE user_id = $1 AND id = $2 FOR UPDATE")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(session.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Exchanges the refresh token of a locked session.
///
/// # Errors
/// When the statement fails.
pub async fn update_rotated(
    tx: &mut UserTx,
    session: SessionId,
    refresh_hash: &[u8; 32],
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE sessions SET previous_hash = refresh_hash, refresh_hash = $3, rotated_at = $4, last_used_at = $4,
                             expires_at = $5
          WHERE user_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(session.as_uuid())
    .bind::<Bytea, _>(refresh_hash.as_slice())
    .bind::<Timestamptz, _>(at)
    .bind::<Timestamptz, _>(expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Ends a session; `false` when it had ended or is not the user's.
///
/// # Errors
/// When the statement fails.
pub async fn update_ended(
    tx: &mut UserTx,
    session: SessionId,
    end: SessionEnd,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let user = tx.user();
    let ended = sql("UPDATE sessions SET ended_at = $4, end_reason = $3, sudo_until = NULL
                      WHERE user_id = $1 AND id = $2 AND ended_at IS NULL")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(session.as_uuid())
    .bind::<Text, _>(end.as_str())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(ended == 1)
}

/// Ends all sessions but one; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn update_all_ended(
    tx: &mut UserTx,
    but: Option<SessionId>,
    end: SessionEnd,
    at: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let user = tx.user();
    Ok(sql("UPDATE sessions SET ended_at = $4, end_reason = $3, sudo_until = NULL
             WHERE user_id = $1 AND id IS DISTINCT FROM $2 AND ended_at IS NULL")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(but.map(SessionId::as_uuid))
    .bind::<Text, _>(end.as_str())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?)
}

/// Forgets from where and with what the user's sessions were used.
///
/// # Errors
/// When the statement fails.
pub async fn update_forgotten(tx: &mut UserTx) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE sessions SET user_agent = '', ip_prefix = '' WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lets a session do what asks for a fresh proof, until a moment.
///
/// # Errors
/// When the statement fails.
pub async fn update_sudo(tx: &mut UserTx, session: SessionId, until: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE sessions SET sudo_until = $3 WHERE user_id = $1 AND id = $2 AND ended_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(session.as_uuid())
        .bind::<Timestamptz, _>(until)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lets a session work for another merchant; that the user has a seat there is the caller's to know.
///
/// # Errors
/// When the statement fails.
pub async fn update_merchant(
    tx: &mut UserTx,
    session: SessionId,
    merchant: Option<MerchantId>,
) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE sessions SET active_merchant = $3, sudo_until = NULL WHERE user_id = $1 AND id = $2 AND ended_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(session.as_uuid())
        .bind::<Nullable<SqlUuid>, _>(merchant.map(MerchantId::as_uuid))
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lists the user's sessions that live, the latest used first; at most 100. Index sessions_of_user.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut UserTx, now: DateTime<Utc>) -> Result<Vec<SessionRow>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT id, user_agent, ip_prefix, created_at, last_used_at, second_factor_at IS NOT NULL AS second_factor
              FROM sessions WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2
             ORDER BY last_used_at DESC LIMIT 100")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Timestamptz, _>(now)
    .load(tx.conn()?)
    .await?)
}
