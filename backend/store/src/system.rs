//! What may be known across merchants: ids, times and counts, through the `system_*` functions of the schema.
//!
//! A [`SystemTx`] sees no tenant row; each function here calls one function that runs with the rights of
//! `kamiflow_system`. What is then done to a merchant's rows is done in that merchant's own transaction.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, GatewayKind, JobId, MallId, MerchantId, OrderSn, PoolId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::stored::Stored;
use crate::tx::SystemTx;

/// A shop that work is due for.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DueShop {
    /// `sync`, `deliver` or `redeem`.
    #[diesel(sql_type = Text)]
    pub pool: String,
    /// Its merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
}

/// A job that is due.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DueJob {
    /// Its merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The job.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub job: JobId,
    /// Since when.
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
}

/// A shop and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct OwnedShop {
    /// Its merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
}

/// An application whose shops push messages are listened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct PushApplication {
    /// Its owner.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub owner: MerchantId,
    /// The application.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application: ApplicationId,
    /// Which platform it is registered on.
    #[diesel(sql_type = Text, deserialize_as = Stored<GatewayKind>)]
    pub gateway: GatewayKind,
}

/// Tokens that come to their end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct ExpiringCredential {
    /// Whose.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Of which shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
}

/// A pool that somebody waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct AwaitedPool {
    /// Whose.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
}

/// An application, as the operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct OwnedApplication {
    /// Whose; the platform's for hosted ones.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub owner: MerchantId,
    /// The application.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application: ApplicationId,
    /// Which platform it is registered on.
    #[diesel(sql_type = Text, deserialize_as = Stored<GatewayKind>)]
    pub gateway: GatewayKind,
    /// Its public id there.
    #[diesel(sql_type = Text)]
    pub client_id: String,
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
    /// Shops connected through it.
    #[diesel(sql_type = BigInt)]
    pub shops: i64,
}

/// A row of the outbox, gone when the transaction that took it commits.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct OutboxRow {
    /// Its id, by which receivers know it again.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// When it was written.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// Whose.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// What it is about.
    #[diesel(sql_type = Text)]
    pub topic: String,
    /// Ids.
    #[diesel(sql_type = Jsonb)]
    pub payload: serde_json::Value,
}

/// A count of `kamiflow status`.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct StatusCount {
    /// What is counted.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// How many.
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

/// Which incarnation of the data this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Instance {
    /// The installation.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// Raised by a restore.
    #[diesel(sql_type = BigInt)]
    pub epoch: i64,
    /// Drawn anew by a restore.
    #[diesel(sql_type = SqlUuid)]
    incarnation: Uuid,
}

impl Instance {
    /// Returns the name of this incarnation: another one after every restore.
    #[must_use]
    pub fn incarnation(&self) -> String {
        name_incarnation(self.id, self.epoch, self.incarnation)
    }
}

/// Names an incarnation of the data. The epoch alone would not do: two restores of one backup raise it to the same.
pub(crate) fn name_incarnation(installation: Uuid, epoch: i64, incarnation: Uuid) -> String {
    format!("{installation}:{epoch}:{}", incarnation.simple())
}

/// Lists shops that work is due for before a moment, at most `limit` per pool.
///
/// # Errors
/// When the statement fails.
pub async fn list_due_shops(tx: &mut SystemTx, before: DateTime<Utc>, limit: i32) -> Result<Vec<DueShop>, StoreError> {
    Ok(sql("SELECT pool, merchant_id AS merchant, shop_id AS shop, due_at FROM system_due_shops($1, $2)")
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists jobs due before a moment.
///
/// # Errors
/// When the statement fails.
pub async fn list_due_jobs(tx: &mut SystemTx, before: DateTime<Utc>, limit: i32) -> Result<Vec<DueJob>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, job_id AS job, due_at FROM system_due_jobs($1, $2)")
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// A mall with the shop that works for it.
#[derive(Debug, Clone, Copy, QueryableByName)]
pub struct OwnedMall {
    #[diesel(sql_type = BigInt)]
    mall: i64,
    #[diesel(sql_type = SqlUuid)]
    merchant: Uuid,
    #[diesel(sql_type = SqlUuid)]
    shop: Uuid,
}

impl OwnedMall {
    /// Returns the mall.
    #[must_use]
    pub const fn mall(&self) -> MallId {
        MallId(self.mall)
    }

    /// Returns whose it is.
    #[must_use]
    pub const fn merchant(&self) -> MerchantId {
        MerchantId::from_uuid(self.merchant)
    }

    /// Returns its shop.
    #[must_use]
    pub const fn shop(&self) -> ShopId {
        ShopId::from_uuid(self.shop)
    }
}

/// Lists the working shops of malls; a mall that is connected to nobody is left out.
///
/// # Errors
/// When the statement fails.
pub async fn list_shops_of_malls(
    tx: &mut SystemTx,
    gateway: GatewayKind,
    malls: &[MallId],
) -> Result<Vec<OwnedMall>, StoreError> {
    Ok(sql("SELECT mall_id AS mall, merchant_id AS merchant, shop_id AS shop FROM system_shops_of_malls($1, $2)")
        .bind::<Text, _>(gateway.as_str())
        .bind::<Array<BigInt>, _>(malls.iter().map(|mall| mall.0).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

/// Returns whose a shop is.
///
/// # Errors
/// When the statement fails.
pub async fn find_merchant_of_shop(tx: &mut SystemTx, shop: ShopId) -> Result<Option<MerchantId>, StoreError> {
    #[derive(QueryableByName)]
    struct Owner {
        #[diesel(sql_type = Nullable<SqlUuid>)]
        merchant: Option<Uuid>,
    }
    let row: Owner = sql("SELECT system_merchant_of_shop($1) AS merchant")
        .bind::<SqlUuid, _>(shop.as_uuid())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.merchant.map(MerchantId::from_uuid))
}

/// Lists the shops that know an order number; more than one only if two malls share it.
///
/// # Errors
/// When the statement fails.
pub async fn list_shops_of_order(tx: &mut SystemTx, order_sn: &OrderSn) -> Result<Vec<OwnedShop>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, shop_id AS shop FROM system_find_order($1)")
        .bind::<Text, _>(order_sn.as_str())
        .load(tx.conn()?)
        .await?)
}

/// Lists the applications that have shops to listen for.
///
/// # Errors
/// When the statement fails.
pub async fn list_push_applications(tx: &mut SystemTx) -> Result<Vec<PushApplication>, StoreError> {
    Ok(sql("SELECT merchant_id AS owner, application_id AS application, gateway FROM system_push_applications()")
        .load(tx.conn()?)
        .await?)
}

/// Lists tokens that end before a moment, the next to end first.
///
/// # Errors
/// When the statement fails.
pub async fn list_expiring_credentials(
    tx: &mut SystemTx,
    before: DateTime<Utc>,
    limit: i32,
) -> Result<Vec<ExpiringCredential>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, shop_id AS shop, expires_at FROM system_expiring_credentials($1, $2)")
        .bind::<Timestamptz, _>(before)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists pools that somebody waits for.
///
/// # Errors
/// When the statement fails.
pub async fn list_awaited_pools(tx: &mut SystemTx, limit: i32) -> Result<Vec<AwaitedPool>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, pool_id AS pool FROM system_pools_with_waits($1)")
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists pools for real shops that have become low, or are low no more, since they were last looked at.
///
/// # Errors
/// When the statement fails.
pub async fn list_turned_pools(
    tx: &mut SystemTx,
    now: DateTime<Utc>,
    limit: i32,
) -> Result<Vec<AwaitedPool>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, pool_id AS pool FROM system_pools_turned($1, $2)")
        .bind::<Timestamptz, _>(now)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Lists every merchant.
///
/// # Errors
/// When the statement fails.
pub async fn list_merchants(tx: &mut SystemTx) -> Result<Vec<MerchantId>, StoreError> {
    #[derive(QueryableByName)]
    struct Merchant {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        merchant: MerchantId,
    }
    let rows: Vec<Merchant> = sql("SELECT merchant_id AS merchant FROM system_merchants()").load(tx.conn()?).await?;
    Ok(rows.into_iter().map(|row| row.merchant).collect())
}

/// Takes the oldest rows of the outbox; a row that another relay is taking is passed over.
///
/// # Errors
/// When the statement fails.
pub async fn claim_outbox(tx: &mut SystemTx, limit: i32) -> Result<Vec<OutboxRow>, StoreError> {
    Ok(sql("SELECT id, at, merchant_id AS merchant, topic, payload FROM system_outbox_take($1) ORDER BY at, id")
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Adds rollup deltas to the hourly sums; returns how many deltas there were.
///
/// # Errors
/// When the statement fails.
pub async fn fold_rollups(tx: &mut SystemTx, limit: i32) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Folded {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let row: Folded =
        sql("SELECT system_fold_rollups($1) AS n").bind::<Integer, _>(limit).get_result(tx.conn()?).await?;
    Ok(row.n)
}

/// Lists the working shops of an application, of whichever merchants.
///
/// # Errors
/// When the statement fails.
pub async fn list_shops_of_application(
    tx: &mut SystemTx,
    application: ApplicationId,
) -> Result<Vec<OwnedShop>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, shop_id AS shop FROM system_shops_of_application($1)")
        .bind::<SqlUuid, _>(application.as_uuid())
        .load(tx.conn()?)
        .await?)
}

/// Lists the applications of all owners.
///
/// # Errors
/// When the statement fails.
pub async fn list_applications(tx: &mut SystemTx) -> Result<Vec<OwnedApplication>, StoreError> {
    Ok(sql("SELECT merchant_id AS owner, application_id AS application, gateway, client_id, state, stop_reason,
                   stopped_at, denied_apis, shops FROM system_applications()")
    .load(tx.conn()?)
    .await?)
}

/// Counts what `kamiflow status` shows.
///
/// # Errors
/// When the statement fails.
pub async fn list_status(tx: &mut SystemTx, at: DateTime<Utc>) -> Result<Vec<StatusCount>, StoreError> {
    Ok(sql("SELECT name, n FROM system_status($1) ORDER BY name").bind::<Timestamptz, _>(at).load(tx.conn()?).await?)
}

/// Lists the partitions that are missing up to so many months ahead.
///
/// # Errors
/// When the statement fails.
pub async fn list_missing_partitions(tx: &mut SystemTx, months: i32) -> Result<Vec<String>, StoreError> {
    #[derive(QueryableByName)]
    struct Missing {
        #[diesel(sql_type = Text)]
        partition: String,
    }
    let rows: Vec<Missing> = sql("SELECT partition FROM missing_partitions($1) ORDER BY partition")
        .bind::<Integer, _>(months)
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| row.partition).collect())
}

/// Reads which incarnation of the data this is.
///
/// # Errors
/// When the statement fails.
pub async fn fetch_instance(tx: &mut SystemTx) -> Result<Instance, StoreError> {
    Ok(sql("SELECT id, epoch, incarnation FROM instance").get_result(tx.conn()?).await?)
}
