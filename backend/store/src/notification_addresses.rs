//! Where a merchant is told what needs a person.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::EmailAddress;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Sets the merchant's address.
///
/// # Errors
/// When the statement fails.
pub async fn upsert(tx: &mut TenantTx, address: &EmailAddress, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO notification_addresses (merchant_id, email, changed_at) VALUES ($1, $2, $3)
         ON CONFLICT (merchant_id) DO UPDATE SET email = excluded.email, changed_at = excluded.changed_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(address.as_str())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns the merchant's address, if it has one.
///
/// # Errors
/// When the statement fails, or what is stored is no address.
pub async fn find(tx: &mut TenantTx) -> Result<Option<EmailAddress>, StoreError> {
    #[derive(QueryableByName)]
    struct Address {
        #[diesel(sql_type = Text)]
        email: String,
    }
    let merchant = tx.merchant();
    let row: Option<Address> = sql("SELECT email FROM notification_addresses WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?;
    row.map(|row| EmailAddress::try_from(row.email).map_err(|error| StoreError::Corrupt(error.to_string()))).transpose()
}
