//! Where members stopped in the wizard that connects shops.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, MerchantId, UserId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A place to keep.
#[derive(Debug, Clone, Copy)]
pub struct NewPlace<'a> {
    /// What is sold; none leaves what was said before.
    pub sold: Option<&'a str>,
    /// Whether own keys are to be entered.
    pub own_keys: bool,
    /// What is about to be authorized, with its owner: the transaction's merchant or the platform.
    pub application: Option<(MerchantId, ApplicationId)>,
    /// When.
    pub kept_at: DateTime<Utc>,
}

/// A place.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct PlaceRow {
    /// What is sold.
    #[diesel(sql_type = Nullable<Text>)]
    pub sold: Option<String>,
    /// Whether own keys are to be entered.
    #[diesel(sql_type = Bool)]
    pub own_keys: bool,
    /// What is about to be authorized.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub application_id: Option<Uuid>,
    /// When it was kept.
    #[diesel(sql_type = Timestamptz)]
    pub kept_at: DateTime<Utc>,
}

/// Keeps a member's place instead of the one before.
///
/// # Errors
/// When who it is has no seat here, or the application is not one of the merchant's.
pub async fn upsert(tx: &mut TenantTx, user: UserId, new: &NewPlace<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO wizard_places AS p (merchant_id, user_id, sold, own_keys, application_merchant_id, application_id, kept_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (merchant_id, user_id) DO UPDATE SET sold = coalesce(excluded.sold, p.sold), own_keys = excluded.own_keys,
             application_merchant_id = excluded.application_merchant_id, application_id = excluded.application_id,
             kept_at = excluded.kept_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Nullable<Text>, _>(new.sold)
    .bind::<Bool, _>(new.own_keys)
    .bind::<Nullable<SqlUuid>, _>(new.application.map(|(owner, _)| owner.as_uuid()))
    .bind::<Nullable<SqlUuid>, _>(new.application.map(|(_, id)| id.as_uuid()))
    .bind::<Timestamptz, _>(new.kept_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns a member's place, if one is kept.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx, user: UserId) -> Result<Option<PlaceRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT sold, own_keys, application_id, kept_at FROM wizard_places WHERE merchant_id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(user.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Forgets a member's place.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, user: UserId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM wizard_places WHERE merchant_id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
