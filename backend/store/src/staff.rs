//! The operator's staff and their sessions: rows of one user each, behind the wall of accounts.
//!
//! Who somebody is is asked through [`find_login`] and [`authenticate`], which know staff that has enrolled and is not
//! disabled, and nobody else. See docs/adr/0017-staff.md.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{EmailAddress, Locale, SecretText, SessionId, StaffRole, UserId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::{SystemTx, UserTx};

/// A member of the staff, as the transaction's user sees herself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffRow {
    /// What she may do.
    pub role: StaffRole,
    /// When password and second factor were chosen.
    pub enrolled_at: Option<DateTime<Utc>>,
    /// When she was disabled.
    pub disabled_at: Option<DateTime<Utc>>,
}

/// Makes the transaction's user, who must be of the staff's realm, a member of the staff who has to enroll.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut UserTx, role: StaffRole, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("INSERT INTO staff (user_id, role, created_at) VALUES ($1, $2, $3)")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Text, _>(role.as_str())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Locks the transaction's user's row.
///
/// # Errors
/// [`StoreError::NotFound`] for who is not of the staff.
pub async fn lock(tx: &mut UserTx) -> Result<StaffRow, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        enrolled_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        disabled_at: Option<DateTime<Utc>>,
    }
    let user = tx.user();
    let row: Read = sql("SELECT role, enrolled_at, disabled_at FROM staff WHERE user_id = $1 FOR NO KEY UPDATE")
        .bind::<SqlUuid, _>(user.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("staff"))?;
    Ok(StaffRow { role: parsed(&row.role)?, enrolled_at: row.enrolled_at, disabled_at: row.disabled_at })
}

/// Notes that password and second factor were chosen, or have to be chosen anew.
///
/// # Errors
/// When the statement fails.
pub async fn update_enrolled(tx: &mut UserTx, at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE staff SET enrolled_at = $2 WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Nullable<Timestamptz>, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Disables the transaction's user, or lets her in again.
///
/// # Errors
/// When the statement fails.
pub async fn update_disabled(tx: &mut UserTx, at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE staff SET disabled_at = $2 WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Nullable<Timestamptz>, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// A session to begin.
#[derive(Debug, Clone, Copy)]
pub struct NewStaffSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// SHA-256 of its token.
    pub token_hash: &'a [u8; 32],
    /// What the browser calls itself; at most 300 characters.
    pub user_agent: &'a str,
    /// Where from, without the last part.
    pub ip_prefix: &'a str,
    /// Now.
    pub at: DateTime<Utc>,
    /// It ends then at the latest.
    pub expires_at: DateTime<Utc>,
}

/// Begins a session.
///
/// # Errors
/// When the statement fails.
pub async fn insert_session(tx: &mut UserTx, new: &NewStaffSession<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("INSERT INTO staff_sessions (id, user_id, token_hash, user_agent, ip_prefix, created_at, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $6, $7)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Bytea, _>(new.token_hash.as_slice())
    .bind::<Text, _>(new.user_agent)
    .bind::<Text, _>(new.ip_prefix)
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Notes that a session is used.
///
/// # Errors
/// When the statement fails.
pub async fn update_session_used(tx: &mut UserTx, session: SessionId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE staff_sessions SET last_used_at = greatest(last_used_at, $3) WHERE user_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(session.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Ends one session, or all of the transaction's user; returns how many lived. Index staff_sessions_of_user.
///
/// # Errors
/// When the statement fails.
pub async fn update_sessions_ended(
    tx: &mut UserTx,
    session: Option<SessionId>,
    at: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let user = tx.user();
    Ok(sql("UPDATE staff_sessions SET ended_at = $3
             WHERE user_id = $1 AND ($2 IS NULL OR id = $2) AND ended_at IS NULL")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(session.map(SessionId::as_uuid))
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?)
}

/// Ends all sessions of the transaction's user but one; returns how many lived. Index staff_sessions_of_user.
///
/// # Errors
/// When the statement fails.
pub async fn update_other_sessions_ended(
    tx: &mut UserTx,
    but: SessionId,
    at: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let user = tx.user();
    Ok(sql("UPDATE staff_sessions SET ended_at = $3 WHERE user_id = $1 AND id <> $2 AND ended_at IS NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<SqlUuid, _>(but.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?)
}

/// A session of the staff that lives.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct StaffSessionRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: SessionId,
    /// What the browser calls itself.
    #[diesel(sql_type = Text)]
    pub user_agent: String,
    /// Where from.
    #[diesel(sql_type = Text)]
    pub ip_prefix: String,
    /// Used last.
    #[diesel(sql_type = Timestamptz)]
    pub last_used_at: DateTime<Utc>,
}

/// Lists the sessions of the transaction's user that live and were used since a moment, the latest used first; at most 100.
/// Index staff_sessions_of_user.
///
/// # Errors
/// When the statement fails.
pub async fn list_sessions(
    tx: &mut UserTx,
    now: DateTime<Utc>,
    used_since: DateTime<Utc>,
) -> Result<Vec<StaffSessionRow>, StoreError> {
    let user = tx.user();
    Ok(sql("SELECT id, user_agent, ip_prefix, last_used_at FROM staff_sessions
             WHERE user_id = $1 AND ended_at IS NULL AND expires_at > $2 AND last_used_at > $3
             ORDER BY last_used_at DESC LIMIT 100")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(used_since)
    .load(tx.conn()?)
    .await?)
}

/// Whose a staff address is.
#[derive(Debug, Clone)]
pub struct StaffLogin {
    /// Who.
    pub user: UserId,
    /// What the password is compared with.
    pub password_hash: SecretText,
}

/// Finds whose a staff address is, among those who may log in.
///
/// # Errors
/// When the statement fails.
pub async fn find_login(tx: &mut SystemTx, email: &EmailAddress) -> Result<Option<StaffLogin>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        user: UserId,
        #[diesel(sql_type = Text)]
        password_hash: String,
    }
    let found: Option<Found> = sql("SELECT user_id AS user, password_hash FROM system_find_staff($1)")
        .bind::<Text, _>(email.as_str())
        .get_result(tx.conn()?)
        .await
        .optional()?;
    Ok(found.map(|row| StaffLogin { user: row.user, password_hash: row.password_hash.into() }))
}

/// Who a session of the staff belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthenticatedStaff {
    /// Who.
    pub user: UserId,
    /// The session.
    pub session: SessionId,
    /// As merchants are told.
    pub name: String,
    /// What she may do.
    pub role: StaffRole,
    /// When the session was used last.
    pub last_used_at: DateTime<Utc>,
    /// The language.
    pub locale: Locale,
}

/// Says in one query whose a session of the staff is, unless it has ended or was idle for more than `idle_s` seconds.
///
/// # Errors
/// When the statement fails.
pub async fn authenticate(
    tx: &mut SystemTx,
    token_hash: &[u8; 32],
    now: DateTime<Utc>,
    idle_s: i32,
) -> Result<Option<AuthenticatedStaff>, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        user_id: UserId,
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        session_id: SessionId,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Timestamptz)]
        last_used_at: DateTime<Utc>,
        #[diesel(sql_type = Text)]
        locale: String,
    }
    let found: Option<Read> = sql("SELECT user_id, session_id, name, role, last_used_at, locale
                                     FROM system_authenticate_staff($1, $2, $3)")
    .bind::<Bytea, _>(token_hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .bind::<Integer, _>(idle_s)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(AuthenticatedStaff {
        user: row.user_id,
        session: row.session_id,
        name: row.name,
        role: parsed(&row.role)?,
        last_used_at: row.last_used_at,
        locale: parsed(&row.locale)?,
    }))
}

/// A member of the staff, as the operator lists them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffListRow {
    /// Who.
    pub user: UserId,
    /// The address that is typed to log in.
    pub email: String,
    /// As merchants are told.
    pub name: String,
    /// What she may do.
    pub role: StaffRole,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// When password and second factor were chosen.
    pub enrolled_at: Option<DateTime<Utc>>,
    /// When she was disabled.
    pub disabled_at: Option<DateTime<Utc>>,
    /// When a session of hers was used last.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Lists all staff, disabled ones included.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut SystemTx) -> Result<Vec<StaffListRow>, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        user_id: UserId,
        #[diesel(sql_type = Text)]
        login: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Timestamptz)]
        created_at: DateTime<Utc>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        enrolled_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        disabled_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        last_used_at: Option<DateTime<Utc>>,
    }
    let rows: Vec<Read> = sql(
        "SELECT user_id, login, name, role, created_at, enrolled_at, disabled_at, last_used_at FROM system_staff()",
    )
    .load(tx.conn()?)
    .await?;
    let listed = |row: Read| {
        Ok(StaffListRow {
            user: row.user_id,
            email: row.login,
            name: row.name,
            role: parsed(&row.role)?,
            created_at: row.created_at,
            enrolled_at: row.enrolled_at,
            disabled_at: row.disabled_at,
            last_used_at: row.last_used_at,
        })
    };
    rows.into_iter().map(listed).collect()
}
