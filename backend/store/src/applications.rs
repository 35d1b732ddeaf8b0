//! Applications on the Open Platform: a merchant's own, and hosted ones, which belong to `MerchantId::PLATFORM`.
//!
//! A merchant's transaction sees hosted applications but cannot change them. What the engine learns about one through
//! a shop (stopped, an API denied) goes through two functions of the database that take the shop and find the
//! application themselves ([`report_stop`], [`report_denied_api`]). Only its owner can let it call again.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, DataKeyId, GatewayKind, MerchantId, SecretText, ShopId};
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
    /// Why it is stopped: the platform's code.
    #[diesel(sql_type = Nullable<Text>)]
    pub stop_reason: Option<String>,
    /// Since when it is stopped.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub stopped_at: Option<DateTime<Utc>>,
    /// APIs it was told it may not call.
    #[diesel(sql_type = Array<Text>)]
    pub denied_apis: Vec<String>,
}

impl ApplicationRow {
    /// Returns whether the platform has stopped it.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state == "stopped"
    }
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
                   state, stop_reason, stopped_at, denied_apis
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
                state, stop_reason, stopped_at, denied_apis
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
                   state, stop_reason, stopped_at, denied_apis
              FROM applications
             WHERE merchant_id IN ($1, '00000000-0000-0000-0000-000000000000')
             ORDER BY created_at, id LIMIT 1000",
    )
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Stops the application of a shop, whoever owns it, because the platform said so; returns whether it was active.
///
/// # Errors
/// When the statement fails.
pub async fn report_stop(tx: &mut TenantTx, shop: ShopId, code: i64, at: DateTime<Utc>) -> Result<bool, StoreError> {
    Ok(sql("SELECT system_stop_application($1, $2, $3) AS changed")
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Integer, _>(i32::try_from(code).unwrap_or(i32::MAX))
        .bind::<Timestamptz, _>(at)
        .get_result::<Reported>(tx.conn()?)
        .await?
        .changed)
}

/// Remembers that the application of a shop may not call an API; returns whether it was told so and not known yet.
///
/// A shop whose token may be narrower than its application cannot tell: see the function in the migration.
///
/// # Errors
/// When the statement fails.
pub async fn report_denied_api(
    tx: &mut TenantTx,
    shop: ShopId,
    api: &str,
    at: DateTime<Utc>,
) -> Result<bool, StoreError> {
    Ok(sql("SELECT system_deny_api($1, $2, $3) AS changed")
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Text, _>(api)
        .bind::<Timestamptz, _>(at)
        .get_result::<Reported>(tx.conn()?)
        .await?
        .changed)
}

#[derive(QueryableByName)]
struct Reported {
    #[diesel(sql_type = Bool)]
    changed: bool,
}

/// What lets an application of the transaction's merchant call again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resumption {
    /// The platform took a call of it. How long the next probe waits is remembered, and what was denied stays so.
    Probed,
    /// A person says so: all is tried anew.
    Person,
}

/// Lets an application of the transaction's merchant call again.
///
/// # Errors
/// [`StoreError::NotFound`] when the merchant does not own it.
pub async fn resume(tx: &mut TenantTx, id: ApplicationId, by: Resumption, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let changed = sql("UPDATE applications
                          SET state = 'active', stop_reason = NULL, stopped_at = NULL, resumed_at = $3,
                              probes = CASE WHEN $4 THEN 0 ELSE probes END,
                              denied_apis = CASE WHEN $4 THEN '{}' ELSE denied_apis END
                        WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Bool, _>(by == Resumption::Person)
    .execute(tx.conn()?)
    .await?;
    if changed == 0 { Err(StoreError::NotFound("application")) } else { Ok(()) }
}

/// Counts a probe that failed; returns how many stops and failed probes there were in a row.
///
/// # Errors
/// [`StoreError::NotFound`] when the merchant does not own it.
pub async fn update_probed(tx: &mut TenantTx, id: ApplicationId) -> Result<i32, StoreError> {
    #[derive(QueryableByName)]
    struct Probed {
        #[diesel(sql_type = Integer)]
        probes: i32,
    }
    let merchant = tx.merchant();
    let row: Option<Probed> =
        sql("UPDATE applications SET probes = probes + 1 WHERE merchant_id = $1 AND id = $2 RETURNING probes")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(id.as_uuid())
            .get_result(tx.conn()?)
            .await
            .optional()?;
    row.map(|row| row.probes).ok_or(StoreError::NotFound("application"))
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
