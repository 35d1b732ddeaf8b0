//! Owners who lost everything: a request of theirs, until they are in again or it is over.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{EmailAddress, LoginName, MerchantId, RecoveryId, UserId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};

/// A request to store.
#[derive(Debug, Clone, Copy)]
pub struct NewRecovery<'a> {
    /// Its id.
    pub id: RecoveryId,
    /// Whose account it is.
    pub owner: UserId,
    /// Where the link goes at last.
    pub contact: &'a EmailAddress,
    /// What links begin with.
    pub site: &'a str,
    /// SHA-256 of the token that stops it.
    pub stop_hash: &'a [u8; 32],
    /// Now.
    pub at: DateTime<Utc>,
}

/// Stores a request.
///
/// # Errors
/// Constraint `account_recoveries_one_open` refuses a second one of an owner.
pub async fn insert(tx: &mut TenantTx, new: &NewRecovery<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO account_recoveries (id, merchant_id, owner, contact, site, stop_hashes, asked_at)
         VALUES ($1, $2, $3, $4, $5, ARRAY[$6], $7)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.owner.as_uuid())
    .bind::<Text, _>(new.contact.as_str())
    .bind::<Text, _>(new.site)
    .bind::<Bytea, _>(new.stop_hash.as_slice())
    .bind::<Timestamptz, _>(new.at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct RecoveryRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: RecoveryId,
    /// Whose account it is.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub owner: UserId,
    /// `asked`, `approved`, `rejected`, `stopped`, `linked` or `done`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Where the link goes; empty when it is over.
    #[diesel(sql_type = Text)]
    pub contact: String,
    /// What links begin with.
    #[diesel(sql_type = Text)]
    pub site: String,
    /// When it was asked for.
    #[diesel(sql_type = Timestamptz)]
    pub asked_at: DateTime<Utc>,
    /// Who decided.
    #[diesel(sql_type = Nullable<Text>)]
    pub decided_name: Option<String>,
    /// When.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub decided_at: Option<DateTime<Utc>>,
    /// Why it was rejected.
    #[diesel(sql_type = Text)]
    pub reason: String,
    /// The link goes out then.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub link_at: Option<DateTime<Utc>>,
}

/// Locks and reads a request.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's.
pub async fn lock(tx: &mut TenantTx, id: RecoveryId) -> Result<RecoveryRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, owner, state, contact, site, asked_at, decided_name, decided_at, reason, link_at
           FROM account_recoveries WHERE merchant_id = $1 AND id = $2 FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("recovery"))
}

/// An approval.
#[derive(Debug, Clone, Copy)]
pub struct Approval<'a> {
    /// Who approved.
    pub by: &'a str,
    /// When.
    pub at: DateTime<Utc>,
    /// The link goes out then.
    pub link_at: DateTime<Utc>,
    /// SHA-256 of another token that stops it.
    pub stop_hash: &'a [u8; 32],
}

/// Approves a request that is not decided.
///
/// # Errors
/// When the statement fails.
pub async fn update_approved(tx: &mut TenantTx, id: RecoveryId, approval: &Approval<'_>) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let changed =
        sql("UPDATE account_recoveries SET state = 'approved', decided_name = $3, decided_at = $4, link_at = $5,
                              stop_hashes = stop_hashes || $6
                        WHERE merchant_id = $1 AND id = $2 AND state = 'asked'")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Text, _>(approval.by)
        .bind::<Timestamptz, _>(approval.at)
        .bind::<Timestamptz, _>(approval.link_at)
        .bind::<Bytea, _>(approval.stop_hash.as_slice())
        .execute(tx.conn()?)
        .await?;
    Ok(changed == 1)
}

/// Rejects a request that is not decided.
///
/// # Errors
/// When the statement fails.
pub async fn update_rejected(
    tx: &mut TenantTx,
    id: RecoveryId,
    (by, reason): (&str, &str),
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let changed =
        sql("UPDATE account_recoveries SET state = 'rejected', decided_name = $3, decided_at = $5, reason = $4,
                              contact = '', ended_at = $5
                        WHERE merchant_id = $1 AND id = $2 AND state = 'asked'")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Text, _>(by)
        .bind::<Text, _>(reason)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(changed == 1)
}

/// How a request goes on after its decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecoveryEnd {
    /// The link was sent.
    Linked,
    /// Somebody of the team stopped it.
    Stopped,
    /// The owner is in again.
    Done,
}

/// Stops whatever a member asked for or was let in by, and forgets where it would be sent.
///
/// # Errors
/// When the statement fails.
pub async fn update_forgotten(tx: &mut TenantTx, owner: UserId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE account_recoveries
            SET state = CASE WHEN state IN ('asked', 'approved', 'linked') THEN 'stopped' ELSE state END,
                contact = '', ended_at = coalesce(ended_at, $3)
          WHERE merchant_id = $1 AND owner = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(owner.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Notes how a request went on; `false` when it is over.
///
/// # Errors
/// When the statement fails.
pub async fn update_ended(
    tx: &mut TenantTx,
    id: RecoveryId,
    end: RecoveryEnd,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let text = match end {
        RecoveryEnd::Linked => {
            "UPDATE account_recoveries SET state = 'linked', contact = '', ended_at = $3
              WHERE merchant_id = $1 AND id = $2 AND state = 'approved'"
        }
        RecoveryEnd::Stopped => {
            "UPDATE account_recoveries SET state = 'stopped', contact = '', ended_at = $3
              WHERE merchant_id = $1 AND id = $2 AND state IN ('asked', 'approved', 'linked')"
        }
        RecoveryEnd::Done => {
            "UPDATE account_recoveries SET state = 'done', ended_at = $3
              WHERE merchant_id = $1 AND id = $2 AND state = 'linked'"
        }
    };
    let changed = sql(text)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(changed == 1)
}

/// An owner who could be recovered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Recoverable {
    /// Who.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub user: UserId,
    /// Of which merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
}

/// Finds the owner with a log-in name whose merchant was verified with a number.
///
/// # Errors
/// When the statement fails.
pub async fn find_recoverable(
    tx: &mut SystemTx,
    login: &LoginName,
    number_hash: &[u8; 32],
) -> Result<Option<Recoverable>, StoreError> {
    Ok(sql("SELECT user_id AS user, merchant_id AS merchant FROM system_find_recoverable($1, $2)")
        .bind::<Text, _>(login.as_str())
        .bind::<Bytea, _>(number_hash.as_slice())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Which recovery is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct RecoveryRef {
    /// Of which merchant's owner.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Which.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub recovery: RecoveryId,
}

/// Finds the recovery that a token stops.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_stop(tx: &mut SystemTx, hash: &[u8; 32]) -> Result<Option<RecoveryRef>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, recovery_id AS recovery FROM system_find_recovery($1)")
        .bind::<Bytea, _>(hash.as_slice())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// A request, as the staff's list shows it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ListedRecovery {
    /// Of which merchant's owner.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Which.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub recovery: RecoveryId,
    /// As in [`RecoveryRow::state`].
    #[diesel(sql_type = Text)]
    pub state: String,
    /// When it was asked for.
    #[diesel(sql_type = Timestamptz)]
    pub asked_at: DateTime<Utc>,
    /// Who decided.
    #[diesel(sql_type = Nullable<Text>)]
    pub decided_name: Option<String>,
    /// The link goes out then.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub link_at: Option<DateTime<Utc>>,
}

/// Lists requests of all merchants, those that wait for a decision first.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut SystemTx, limit: i32) -> Result<Vec<ListedRecovery>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, recovery_id AS recovery, state, asked_at, decided_name, link_at
              FROM system_recoveries($1)")
    .bind::<Integer, _>(limit)
    .load(tx.conn()?)
    .await?)
}
