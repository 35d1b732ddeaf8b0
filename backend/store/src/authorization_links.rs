//! Links for whoever holds a mall's main account: one browser, one authorization.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, AuthorizationLinkId, MerchantId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A link to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewLink<'a> {
    /// Its id.
    pub id: AuthorizationLinkId,
    /// The application, with its owner: the transaction's merchant or the platform.
    pub application: (MerchantId, ApplicationId),
    /// The shop whose mall is meant; none for a mall to connect.
    pub shop: Option<ShopId>,
    /// Who made it.
    pub made_by: &'a str,
    /// When.
    pub made_at: DateTime<Utc>,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
}

/// A link.
#[derive(Debug, Clone, QueryableByName)]
pub struct LinkRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: AuthorizationLinkId,
    /// The application.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application: ApplicationId,
    /// The shop whose mall is meant.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub shop_id: Option<Uuid>,
    /// Who made it, as the audit log names it.
    #[diesel(sql_type = Text)]
    pub made_by: String,
    /// Until when it can be used.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
    /// The browser that has it.
    #[diesel(sql_type = Nullable<Bytea>)]
    pub session_hash: Option<Vec<u8>>,
    /// When it was used up.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub used_at: Option<DateTime<Utc>>,
}

/// Inserts a link.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, new: &NewLink<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO authorization_links (id, merchant_id, application_merchant_id, application_id, shop_id, made_by, made_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.application.0.as_uuid())
    .bind::<SqlUuid, _>(new.application.1.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(new.shop.map(ShopId::as_uuid))
    .bind::<Text, _>(new.made_by)
    .bind::<Timestamptz, _>(new.made_at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks a link and reads it.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's.
pub async fn lock(tx: &mut TenantTx, id: AuthorizationLinkId) -> Result<LinkRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, application_id AS application, shop_id, made_by, expires_at, session_hash, used_at FROM authorization_links
          WHERE merchant_id = $1 AND id = $2 FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("link"))
}

/// Gives a link to the browser that uses it first.
///
/// # Errors
/// When the statement fails.
pub async fn update_session(tx: &mut TenantTx, id: AuthorizationLinkId, session_hash: &[u8]) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE authorization_links SET session_hash = $3
          WHERE merchant_id = $1 AND id = $2 AND session_hash IS NULL")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Bytea, _>(session_hash)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Marks a link as used up.
///
/// # Errors
/// When the statement fails.
pub async fn update_used(tx: &mut TenantTx, id: AuthorizationLinkId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE authorization_links SET used_at = $3 WHERE merchant_id = $1 AND id = $2 AND used_at IS NULL")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
