//! Merchants: the tenants.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{MerchantCode, MerchantId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A merchant to insert; its id is the transaction's.
#[derive(Debug, Clone, Copy)]
pub struct NewMerchant<'a> {
    /// Shown to people.
    pub name: &'a str,
    /// Fastest polling of a shop, seconds.
    pub poll_floor_s: i32,
}

/// A merchant.
#[derive(Debug, Clone, QueryableByName)]
pub struct MerchantRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: MerchantId,
    /// Shown to people.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Fastest polling of a shop, seconds.
    #[diesel(sql_type = Integer)]
    pub poll_floor_s: i32,
    /// When it closes for good, while it does.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub closes_at: Option<DateTime<Utc>>,
    /// When it had closed for good.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub ended_at: Option<DateTime<Utc>>,
}

/// Inserts the merchant the transaction is bound to, and its data key at once, so that no two workers make one each.
///
/// # Errors
/// A constraint refuses a merchant that exists.
pub async fn insert(tx: &mut TenantTx, new: &NewMerchant<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO merchants (id, name, poll_floor_s) VALUES ($1, $2, $3)")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(new.name)
        .bind::<Integer, _>(new.poll_floor_s)
        .execute(tx.conn()?)
        .await?;
    tx.data_key().await?;
    Ok(())
}

/// Returns the transaction's merchant, if it exists.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx) -> Result<Option<MerchantRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, name, poll_floor_s, closes_at, ended_at FROM merchants WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Changes how fast the merchant's shops may be polled, seconds.
///
/// # Errors
/// A constraint refuses values outside 1 to 300.
pub async fn update_poll_floor(tx: &mut TenantTx, seconds: i32) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE merchants SET poll_floor_s = $2 WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Integer, _>(seconds)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Gives the merchant another name.
///
/// # Errors
/// When the statement fails.
pub async fn update_name(tx: &mut TenantTx, name: &str) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE merchants SET name = $2 WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(name)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Gives the merchant the code that staff's log-in names end with.
///
/// # Errors
/// Constraint `merchants_code_once` refuses one that is taken.
pub async fn update_code(tx: &mut TenantTx, code: &MerchantCode) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE merchants SET code = $2 WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(code.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Reads the merchant's code.
///
/// # Errors
/// [`StoreError::NotFound`] for a merchant that does not exist.
pub async fn fetch_code(tx: &mut TenantTx) -> Result<MerchantCode, StoreError> {
    #[derive(QueryableByName)]
    struct Code {
        #[diesel(sql_type = Text)]
        code: String,
    }
    let merchant = tx.merchant();
    let row: Code = sql("SELECT code FROM merchants WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("merchant"))?;
    MerchantCode::try_from(row.code).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// Says when the merchant closes for good, or that she does not.
///
/// # Errors
/// When the statement fails.
pub async fn update_closes_at(tx: &mut TenantTx, at: Option<DateTime<Utc>>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE merchants SET closes_at = $2 WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Nullable<Timestamptz>, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
