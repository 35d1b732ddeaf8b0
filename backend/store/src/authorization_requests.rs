//! Authorizations that were begun: what comes back from the platform must be one of them.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Nullable, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, AuthorizationLinkId, MerchantId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An authorization that begins.
#[derive(Debug, Clone, Copy)]
pub struct NewRequest<'a> {
    /// Hash of the state that the platform gives back.
    pub state_hash: &'a [u8],
    /// Hash of what tells the browser's session from others.
    pub session_hash: &'a [u8],
    /// The application, with its owner: the transaction's merchant or the platform.
    pub application: (MerchantId, ApplicationId),
    /// The shop that is authorized anew.
    pub shop: Option<ShopId>,
    /// The link by which somebody came.
    pub link: Option<AuthorizationLinkId>,
    /// When it begins.
    pub began_at: DateTime<Utc>,
    /// Until when it must come back.
    pub expires_at: DateTime<Utc>,
}

/// An authorization that was begun.
#[derive(Debug, Clone, QueryableByName)]
pub struct RequestRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Hash of the session.
    #[diesel(sql_type = Bytea)]
    pub session_hash: Vec<u8>,
    /// The application.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application: ApplicationId,
    /// The shop that is authorized anew.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub shop_id: Option<Uuid>,
    /// The link by which somebody came.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub link_id: Option<Uuid>,
    /// Until when it must come back.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
    /// When it came back.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub used_at: Option<DateTime<Utc>>,
}

/// Inserts an authorization that begins.
///
/// # Errors
/// Constraint `authorization_requests_state_once` refuses a state twice.
pub async fn insert(tx: &mut TenantTx, new: &NewRequest<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO authorization_requests (id, merchant_id, state_hash, session_hash, application_merchant_id,
                application_id, shop_id, link_id, began_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Bytea, _>(new.state_hash)
    .bind::<Bytea, _>(new.session_hash)
    .bind::<SqlUuid, _>(new.application.0.as_uuid())
    .bind::<SqlUuid, _>(new.application.1.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(new.shop.map(ShopId::as_uuid))
    .bind::<Nullable<SqlUuid>, _>(new.link.map(AuthorizationLinkId::as_uuid))
    .bind::<Timestamptz, _>(new.began_at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks the authorization that was begun with a state.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's, and for none.
pub async fn lock_by_state(tx: &mut TenantTx, state_hash: &[u8]) -> Result<RequestRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, session_hash, application_id AS application, shop_id, link_id, expires_at, used_at
           FROM authorization_requests WHERE merchant_id = $1 AND state_hash = $2 FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Bytea, _>(state_hash)
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("authorization"))
}

/// Marks an authorization as having come back.
///
/// # Errors
/// When the statement fails.
pub async fn update_used(tx: &mut TenantTx, request: Uuid, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE authorization_requests SET used_at = $3 WHERE merchant_id = $1 AND id = $2 AND used_at IS NULL")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(request)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
