//! Browsers that a user logged in with before.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Bool, Bytea, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::UserTx;

/// Notes that the user logged in with a browser; returns whether it is a new one.
///
/// # Errors
/// When the statement fails.
pub async fn upsert(
    tx: &mut UserTx,
    device_hash: &[u8; 32],
    user_agent: &str,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Seen {
        #[diesel(sql_type = Bool)]
        is_new: bool,
    }
    let user = tx.user();
    let row: Seen =
        sql("INSERT INTO known_devices AS d (user_id, device_hash, user_agent, first_seen_at, last_seen_at)
         VALUES ($1, $2, $3, $4, $4)
         ON CONFLICT (user_id, device_hash) DO UPDATE SET last_seen_at = $4, user_agent = $3
         RETURNING d.xmax = 0 AS is_new")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Bytea, _>(device_hash.as_slice())
        .bind::<Text, _>(user_agent)
        .bind::<Timestamptz, _>(at)
        .get_result(tx.conn()?)
        .await?;
    Ok(row.is_new)
}

/// Returns whether the user has logged in with this browser before.
///
/// # Errors
/// When the statement fails.
pub async fn exists(tx: &mut UserTx, device_hash: &[u8; 32]) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let user = tx.user();
    let row: Known = sql("SELECT EXISTS (SELECT FROM known_devices WHERE user_id = $1 AND device_hash = $2) AS known")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Bytea, _>(device_hash.as_slice())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.known)
}

/// Forgets all browsers of the user.
///
/// # Errors
/// When the statement fails.
pub async fn delete_all(tx: &mut UserTx) -> Result<(), StoreError> {
    let user = tx.user();
    sql("DELETE FROM known_devices WHERE user_id = $1").bind::<SqlUuid, _>(user.as_uuid()).execute(tx.conn()?).await?;
    Ok(())
}
