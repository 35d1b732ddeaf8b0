//! When a merchant was last written to about what needs a person.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Notes that the merchant is written to now; `false` when that was done after `quiet_since` already.
///
/// # Errors
/// When the statement fails.
pub async fn claim(
    tx: &mut TenantTx,
    (kind, about): (&str, &str),
    at: DateTime<Utc>,
    quiet_since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let noted = sql("INSERT INTO mailed_notices AS m (merchant_id, kind, about, at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (merchant_id, kind, about) DO UPDATE SET at = excluded.at WHERE m.at <= $5")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(kind)
    .bind::<Text, _>(about)
    .bind::<Timestamptz, _>(at)
    .bind::<Timestamptz, _>(quiet_since)
    .execute(tx.conn()?)
    .await?;
    Ok(noted == 1)
}
