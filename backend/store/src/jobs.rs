//! Jobs of the jobs pool: ids as payload, versioned names, at most one open job of a name and key.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::JobId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A job to plan.
#[derive(Debug, Clone)]
pub struct NewJob<'a> {
    /// Its versioned name, such as `refresh_token.v1`.
    pub name: &'a str,
    /// Tells jobs of a name apart.
    pub key: &'a str,
    /// Ids.
    pub payload: serde_json::Value,
    /// Not before.
    pub due_at: DateTime<Utc>,
}

/// A job.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct JobRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: JobId,
    /// Its versioned name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Tells jobs of a name apart.
    #[diesel(sql_type = Text)]
    pub key: String,
    /// Ids.
    #[diesel(sql_type = Jsonb)]
    pub payload: serde_json::Value,
    /// Not before.
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
    /// Classified failures in a row.
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    /// The latest failure.
    #[diesel(sql_type = Nullable<Text>)]
    pub last_error: Option<String>,
    /// Whether it waits for a person.
    #[diesel(sql_type = Bool)]
    pub parked: bool,
}

/// Plans a job; one that is open already is at most made due earlier. Returns its id.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, new: &NewJob<'_>) -> Result<JobId, StoreError> {
    #[derive(QueryableByName)]
    struct Planned {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: JobId,
    }
    let merchant = tx.merchant();
    let row: Planned = sql("INSERT INTO jobs AS j (id, merchant_id, name, key, payload, due_at)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT ON CONSTRAINT jobs_once DO UPDATE
            SET due_at = least(j.due_at, excluded.due_at), payload = excluded.payload
         RETURNING j.id")
    .bind::<SqlUuid, _>(JobId::generate().as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.name)
    .bind::<Text, _>(new.key)
    .bind::<Jsonb, _>(&new.payload)
    .bind::<Timestamptz, _>(new.due_at)
    .get_result(tx.conn()?)
    .await?;
    Ok(row.id)
}

/// Plans a job whose payload stands for itself: one of its name and key that waits for a person makes way.
///
/// # Errors
/// When the statement fails.
pub async fn insert_or_replace_parked(tx: &mut TenantTx, new: &NewJob<'_>) -> Result<JobId, StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM jobs WHERE merchant_id = $1 AND name = $2 AND key = $3 AND parked")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(new.name)
        .bind::<Text, _>(new.key)
        .execute(tx.conn()?)
        .await?;
    insert(tx, new).await
}

pub(crate) const FIND: &str = "SELECT id, name, key, payload, due_at, failures, last_error, parked
              FROM jobs WHERE merchant_id = $1 AND id = $2";

/// Reads a job; a row that is gone means that it is done.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx, job: JobId) -> Result<Option<JobRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(FIND)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(job.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

pub(crate) const DELETE: &str = "DELETE FROM jobs WHERE merchant_id = $1 AND id = $2";

/// Deletes a job that is done.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, job: JobId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql(DELETE).bind::<SqlUuid, _>(merchant.as_uuid()).bind::<SqlUuid, _>(job.as_uuid()).execute(tx.conn()?).await?;
    Ok(())
}

/// Plans a job's next turn after one that went well; failures are forgotten.
///
/// # Errors
/// When the statement fails.
pub async fn update_due(tx: &mut TenantTx, job: JobId, due_at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE jobs SET due_at = $3, failures = 0, last_error = NULL, parked = false
          WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(job.as_uuid())
    .bind::<Timestamptz, _>(due_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Counts a classified failure and plans the next turn, or parks the job once it has failed `park_after` times in a
/// row; returns the failures so far. A restart is no failure.
///
/// # Errors
/// When the statement fails.
pub async fn update_failed(
    tx: &mut TenantTx,
    job: JobId,
    error: &str,
    retry_at: DateTime<Utc>,
    park_after: i32,
) -> Result<i32, StoreError> {
    #[derive(QueryableByName)]
    struct Failed {
        #[diesel(sql_type = Integer)]
        failures: i32,
    }
    let merchant = tx.merchant();
    let row = sql("UPDATE jobs SET failures = failures + 1, last_error = left($3, 500), due_at = $4,
                          parked = failures + 1 >= $5
                    WHERE merchant_id = $1 AND id = $2 RETURNING failures")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(job.as_uuid())
    .bind::<Text, _>(error)
    .bind::<Timestamptz, _>(retry_at)
    .bind::<Integer, _>(park_after)
    .get_result::<Failed>(tx.conn()?)
    .await
    .optional()?;
    Ok(row.map_or(0, |row| row.failures))
}

/// Lists the merchant's jobs, the next due first.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, limit: i64) -> Result<Vec<JobRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, name, key, payload, due_at, failures, last_error, parked
              FROM jobs WHERE merchant_id = $1 ORDER BY due_at, id LIMIT $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
