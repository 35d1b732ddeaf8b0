//! Applications on the Open Platform: a merchant's own, and hosted ones, which belong to `MerchantId::PLATFORM`.
//!
//! A merchant's transaction sees hosted applications but cannot change them; what the engine learns about one
//! (stopped, an API denied) is written in a transaction of its owner.

use diesel::sql_types::{Array, Bytea, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, DataKeyId, GatewayKind, MerchantId, SecretText};
use uuid::Uuid;

use crate::error::StoreError;
use crate::shops::CLIENT_SECRET;
use crate::sql::sql;
use crate::stored::Stored;
use crate::tx::TenantTx;

/// An application to insert; its owner is the transaction's merchant.
#[derive(Debug, Clone)]
pub struct NewApplication<'a> {
    /// Its id.
    pub id: ApplicationId,
    /// Which platform it is registered on.
    pub gateway: GatewayKind,
    /// Its public id there.
    pub client_id: &'a str,
    /// Its secret; sealed here with the owner's data key.
    pub client_secret: &'a SecretText,
    /// Its type, as the platform names it.
    pub app_type: &'a str,
    /// Permission packages it holds.
    pub packages: &'a [String],
}

/// An application, its secret still sealed.
#[derive(Debug, Clone, QueryableByName)]
pub struct ApplicationRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: ApplicationId,
    /// Its owner: the transaction's merchant or the platform.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub owner: MerchantId,
    /// Which platform it is registered on.
    #[diesel(sql_type = Text, deserialize_as = Stored<GatewayKind>)]
    pub gateway: GatewayKind,
    /// Its public id there.
    #[diesel(sql_type = Text)]
    pub client_id: String,
    /// The key that seals the secret.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key_id: DataKeyId,
    /// The secret, sealed for [`CLIENT_SECRET`] and this id.
    #[diesel(sql_type = Bytea)]
    pub client_secret_sealed: Vec<u8>,
    /// Its type, as the platform names it.
    #[diesel(sql_type = Text)]
    pub app_type: String,
    /// Permission packages it holds.
    #[diesel(sql_type = Array<Text>)]
    pub packages: Vec<String>,
    /// `active` or `stopped`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Why it is stopped.
    #[diesel(sql_type = Nullable<Text>)]
    pub stop_reason: Option<String>,
    /// APIs it was told it may not call.
    #[diesel(sql_type = Array<Text>)]
    pub denied_apis: Vec<String>,
}

/// Inserts an application owned by the transaction's merchant.
///
/// # Errors
/// Constraint `applications_client_once` refuses a client id that the service knows already.
pub async fn insert(tx: &mut TenantTx, new: &NewApplication<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let sealed = key.seal(CLIENT_SECRET, new.id.as_uuid(), new.client_secret.expose().as_bytes())?;
    sql("INSERT INTO applications (id, merchant_id, gateway, client_id, data_key_id, client_secret_sealed, app_type, packages)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.gateway.as_str())
    .bind::<Text, _>(new.client_id)
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .bind::<Text, _>(new.app_type)
    .bind::<Array<Text>, _>(new.packages)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns an application by its public id, if it is the merchant's own or hosted.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_client(
    tx: &mut TenantTx,
    gateway: GatewayKind,
    client_id: &str,
) -> Result<Option<ApplicationRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(
        "SELECT id, merchant_id AS owner, gateway, client_id, data_key_id, client_secret_sealed, app_type, packages,
                   state, stop_reason, denied_apis
              FROM applications
             WHERE merchant_id IN ($1, '00000000-0000-0000-0000-000000000000') AND gateway = $2 AND client_id = $3",
    )
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(gateway.as_str())
    .bind::<Text, _>(client_id)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Returns an application that is the merchant's own or hosted.
///
/// # Errors
/// [`StoreError::NotFound`] for any other.
pub async fn fetch(tx: &mut TenantTx, id: ApplicationId) -> Result<ApplicationRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, merchant_id AS owner, gateway, client_id, data_key_id, client_secret_sealed, app_type, packages,
                state, stop_reason, denied_apis
           FROM applications
          WHERE merchant_id IN ($1, '00000000-0000-0000-0000-000000000000') AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("application"))
}

/// Lists the merchant's own applications and the hosted ones; there are few of either.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ApplicationRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(
        "SELECT id, merchant_id AS owner, gateway, client_id, data_key_id, client_secret_sealed, app_type, packages,
                   state, stop_reason, denied_apis
              FROM applications
             WHERE merchant_id IN ($1, '00000000-0000-0000-0000-000000000000')
             ORDER BY created_at, id LIMIT 1000",
    )
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Stops an application of the transaction's merchant, or starts it again with no reason.
///
/// # Errors
/// [`StoreError::NotFound`] when the merchant does not own it.
pub async fn update_stop(tx: &mut TenantTx, id: ApplicationId, reason: Option<&str>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let changed = sql("UPDATE applications
                          SET state = CASE WHEN $3 IS NULL THEN 'active' ELSE 'stopped' END, stop_reason = $3
                        WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Nullable<Text>, _>(reason)
    .execute(tx.conn()?)
    .await?;
    if changed == 0 { Err(StoreError::NotFound("application")) } else { Ok(()) }
}

/// Remembers that an application of the transaction's merchant may not call an API.
///
/// # Errors
/// When the statement fails.
pub async fn update_denied_api(tx: &mut TenantTx, id: ApplicationId, api: &str) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE applications SET denied_apis = denied_apis || ARRAY[$3]
          WHERE merchant_id = $1 AND id = $2 AND NOT denied_apis @> ARRAY[$3]")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Text, _>(api)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Forgets every denial, because permissions of the application have changed.
///
/// # Errors
/// When the statement fails.
pub async fn delete_denials(tx: &mut TenantTx, id: ApplicationId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE applications SET denied_apis = '{}' WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Replaces the secret of an application of the transaction's merchant, and what it is.
///
/// # Errors
/// [`StoreError::NotFound`] when the merchant does not own it.
pub async fn update(tx: &mut TenantTx, changed: &NewApplication<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let sealed = key.seal(CLIENT_SECRET, changed.id.as_uuid(), changed.client_secret.expose().as_bytes())?;
    let rows = sql("UPDATE applications SET data_key_id = $3, client_secret_sealed = $4, app_type = $5, packages = $6
                     WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(changed.id.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .bind::<Text, _>(changed.app_type)
    .bind::<Array<Text>, _>(changed.packages)
    .execute(tx.conn()?)
    .await?;
    if rows == 0 { Err(StoreError::NotFound("application")) } else { Ok(()) }
}
