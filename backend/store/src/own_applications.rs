//! How far a merchant's own keys are: proved by a signed call, active since a mall was read with them.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Nullable, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ApplicationId;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Own keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct OwnApplicationRow {
    /// When the platform took a call signed with them.
    #[diesel(sql_type = Timestamptz)]
    pub proved_at: DateTime<Utc>,
    /// When a mall was first read with them.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub activated_at: Option<DateTime<Utc>>,
}

/// Notes that the platform took a call signed with these keys.
///
/// # Errors
/// When the application is not the merchant's own.
pub async fn upsert_proved(tx: &mut TenantTx, application: ApplicationId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO own_applications AS o (merchant_id, application_id, proved_at) VALUES ($1, $2, $3)
         ON CONFLICT (merchant_id, application_id) DO UPDATE SET proved_at = excluded.proved_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(application.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Notes that a mall was read with these keys; the first time counts.
///
/// # Errors
/// When the statement fails.
pub async fn update_activated(
    tx: &mut TenantTx,
    application: ApplicationId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE own_applications SET activated_at = coalesce(activated_at, $3)
          WHERE merchant_id = $1 AND application_id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(application.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns how far keys are, if they were entered here.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx, application: ApplicationId) -> Result<Option<OwnApplicationRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT proved_at, activated_at FROM own_applications WHERE merchant_id = $1 AND application_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(application.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}
