//! Shops, and what is needed to call the platform for one.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApplicationId, DataKeyId, GatewayKind, MallId, MerchantId, ShopId, ShopState};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::stored::Stored;
use crate::tx::TenantTx;

/// Place of the sealed secret of an application; the row is the application.
pub const CLIENT_SECRET: &str = "applications.client_secret_sealed";
/// Place of a sealed access token; the row is the credential.
pub const ACCESS_TOKEN: &str = "credentials.access_token_sealed";
/// Place of a sealed refresh token; the row is the credential.
pub const REFRESH_TOKEN: &str = "credentials.refresh_token_sealed";

/// A shop joined with its application and tokens, still sealed.
#[derive(QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct AccessRow {
    #[diesel(sql_type = BigInt)]
    pub mall_id: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    gateway: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deliver_from: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub connected_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub restored_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = SqlUuid)]
    pub application_id: Uuid,
    #[diesel(sql_type = Text)]
    pub client_id: String,
    #[diesel(sql_type = Text)]
    pub application_state: String,
    #[diesel(sql_type = Array<Text>)]
    pub denied_apis: Vec<String>,
    #[diesel(sql_type = SqlUuid)]
    application_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub client_secret_sealed: Vec<u8>,
    #[diesel(sql_type = SqlUuid)]
    pub credential_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    token_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub access_token_sealed: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    pub token_version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub token_expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub token_dead: Option<String>,
    #[diesel(sql_type = Integer)]
    pub poll_floor_s: i32,
    #[diesel(sql_type = Bool)]
    pub missed_waits: bool,
}

impl AccessRow {
    /// Returns the key that seals the application's secret.
    #[must_use]
    pub const fn application_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.application_key_id)
    }

    /// Returns the key that seals the tokens.
    #[must_use]
    pub const fn token_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.token_key_id)
    }

    /// Returns the shop's state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<ShopState, StoreError> {
        parsed(&self.state)
    }

    /// Returns the platform the shop lives on.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn gateway(&self) -> Result<GatewayKind, StoreError> {
        parsed(&self.gateway)
    }
}

/// Reads a shop with its application and tokens. Primary keys, and index stock_waits_missed.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant, or one without tokens.
pub async fn fetch_access(tx: &TenantTx, shop: ShopId) -> Result<AccessRow, StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("SELECT s.mall_id, s.state, s.gateway, s.deliver_from, s.connected_at, s.restored_at, a.id AS application_id,
                a.client_id, a.state AS application_state, a.denied_apis, a.data_key_id AS application_key_id,
                a.client_secret_sealed, c.id AS credential_id, c.data_key_id AS token_key_id, c.access_token_sealed,
                c.token_version, c.expires_at AS token_expires_at, c.dead_reason AS token_dead, m.poll_floor_s,
                EXISTS (SELECT FROM stock_waits w WHERE w.merchant_id = $1 AND w.shop_id = $2 AND w.missed_at IS NOT NULL)
                    AS missed_waits
           FROM shops s
           JOIN applications a ON a.merchant_id = s.application_merchant_id AND a.id = s.application_id
           JOIN credentials c ON c.shop_id = s.id AND c.merchant_id = s.merchant_id
           JOIN merchants m ON m.id = s.merchant_id
          WHERE s.merchant_id = $1 AND s.id = $2")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(&mut tx.shared()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("shop"))
}

/// A shop to insert; it begins in trial run.
#[derive(Debug, Clone)]
pub struct NewShop<'a> {
    /// Its id.
    pub id: ShopId,
    /// Owner of the application: the transaction's merchant or the platform.
    pub application_owner: MerchantId,
    /// The application it is connected through.
    pub application: ApplicationId,
    /// Which platform it lives on.
    pub gateway: GatewayKind,
    /// Its mall there.
    pub mall: MallId,
    /// The mall's name.
    pub name: &'a str,
    /// When it was connected.
    pub connected_at: DateTime<Utc>,
    /// Orders and after-sales updated since are read.
    pub watermark: DateTime<Utc>,
    /// First interval of polling, milliseconds.
    pub interval_ms: i32,
}

/// A shop as lists show it.
#[derive(Debug, Clone, QueryableByName)]
pub struct ShopRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: ShopId,
    /// Owner of the application.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application_owner: MerchantId,
    /// The application it is connected through.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub application: ApplicationId,
    /// Which platform it lives on.
    #[diesel(sql_type = Text, deserialize_as = Stored<GatewayKind>)]
    pub gateway: GatewayKind,
    /// Its mall there.
    #[diesel(sql_type = BigInt)]
    pub mall_id: i64,
    /// The mall's name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Where it is.
    #[diesel(sql_type = Text, deserialize_as = Stored<ShopState>)]
    pub state: ShopState,
    /// Why it is stopped.
    #[diesel(sql_type = Nullable<Text>)]
    pub stop_reason: Option<String>,
    /// Orders paid before it are backlog; none while the shop has not gone live.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deliver_from: Option<DateTime<Utc>>,
    /// When it was connected.
    #[diesel(sql_type = Timestamptz)]
    pub connected_at: DateTime<Utc>,
}

/// Inserts a shop in trial run, and where its reading begins.
///
/// A mall that was connected before keeps the mark of a restore (`restored_shops`): the orders are the mall's, not the
/// row's. One that is new to a restored database may have been connected, and delivered for, by what was lost: it delivers
/// what was paid since the restore, and there is nothing of it to reconcile.
///
/// # Errors
/// Constraint `shops_mall_once` refuses a mall that is connected, by whichever merchant.
pub async fn insert(tx: &mut TenantTx, new: &NewShop<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO shops (id, merchant_id, application_merchant_id, application_id, gateway, mall_id, name, connected_at,
                            restored_snapshot_at, restored_at, reconciled_at)
         SELECT $1, $2, $3, $4, $5, $6, $7, $8,
                CASE WHEN e.id IS NULL THEN i.restored_snapshot_at ELSE e.restored_snapshot_at END,
                CASE WHEN e.id IS NULL THEN i.restored_at ELSE e.restored_at END,
                -- After three months the platform tells nothing of that time any more.
                CASE WHEN e.id IS NULL THEN i.restored_at
                     WHEN e.restored_at < $8 - interval '88 days' THEN coalesce(e.reconciled_at, e.restored_at)
                     ELSE e.reconciled_at END
           FROM instance i LEFT JOIN LATERAL (
                    SELECT s.id, s.restored_snapshot_at, s.restored_at, s.reconciled_at FROM shops s
                     WHERE s.merchant_id = $2 AND s.gateway = $5 AND s.mall_id = $6
                     ORDER BY s.connected_at DESC, s.id DESC LIMIT 1) e ON true")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.application_owner.as_uuid())
    .bind::<SqlUuid, _>(new.application.as_uuid())
    .bind::<Text, _>(new.gateway.as_str())
    .bind::<BigInt, _>(new.mall.0)
    .bind::<Text, _>(new.name)
    .bind::<Timestamptz, _>(new.connected_at)
    .execute(tx.conn()?)
    .await?;
    sql("INSERT INTO shop_sync (shop_id, merchant_id, orders_watermark, refunds_watermark, interval_ms, next_due_at)
         VALUES ($1, $2, $3, $3, $4, $5)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(new.watermark)
    .bind::<Integer, _>(new.interval_ms)
    .bind::<Timestamptz, _>(new.connected_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Reads a shop.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant.
pub async fn fetch(tx: &mut TenantTx, shop: ShopId) -> Result<ShopRow, StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("SELECT id, application_merchant_id AS application_owner, application_id AS application, gateway, mall_id, name,
                state, stop_reason, deliver_from, connected_at
           FROM shops WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("shop"))
}

/// Locks a shop and reads it.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant.
pub async fn lock(tx: &mut TenantTx, shop: ShopId) -> Result<ShopRow, StoreError> {
    let merchant = tx.merchant().as_uuid();
    // NO KEY: rows that refer to the shop may go on being inserted.
    sql("SELECT id, application_merchant_id AS application_owner, application_id AS application, gateway, mall_id, name,
                state, stop_reason, deliver_from, connected_at
           FROM shops WHERE merchant_id = $1 AND id = $2 FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("shop"))
}

/// Returns the merchant's connected shop of a mall, if it has one.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_mall(
    tx: &mut TenantTx,
    gateway: GatewayKind,
    mall: MallId,
) -> Result<Option<ShopRow>, StoreError> {
    let merchant = tx.merchant().as_uuid();
    Ok(sql("SELECT id, application_merchant_id AS application_owner, application_id AS application, gateway, mall_id,
                   name, state, stop_reason, deliver_from, connected_at
              FROM shops WHERE merchant_id = $1 AND gateway = $2 AND mall_id = $3 AND state <> 'disconnected'")
    .bind::<SqlUuid, _>(merchant)
    .bind::<Text, _>(gateway.as_str())
    .bind::<BigInt, _>(mall.0)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Lists the merchant's shops after a cursor, in the order they were connected; disconnected ones too.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &TenantTx, after: Option<ShopId>, limit: i64) -> Result<Vec<ShopRow>, StoreError> {
    let merchant = tx.merchant().as_uuid();
    let after = after.map_or_else(Uuid::nil, ShopId::as_uuid);
    // Ids are time-ordered.
    Ok(sql("SELECT id, application_merchant_id AS application_owner, application_id AS application, gateway, mall_id,
                   name, state, stop_reason, deliver_from, connected_at
              FROM shops WHERE merchant_id = $1 AND id > $2 ORDER BY id LIMIT $3")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(after)
    .bind::<BigInt, _>(limit)
    .load(&mut tx.shared()?)
    .await?)
}

/// A shop with what stands around every page.
#[derive(Debug, Clone, QueryableByName)]
pub struct FramedShop {
    /// The shop.
    #[diesel(embed)]
    pub shop: ShopRow,
    /// When it was read last without a failure.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_read_at: Option<DateTime<Utc>>,
    /// Whether it is connected and its tokens are dead or over.
    #[diesel(sql_type = Bool)]
    pub is_expired: bool,
    /// Orders that wait for a person, unless it is disconnected.
    #[diesel(sql_type = BigInt)]
    pub need_person: i64,
    /// Whether the merchant is paused as a whole.
    #[diesel(sql_type = Bool)]
    pub is_merchant_paused: bool,
}

const FRAMED: &str = "SELECT s.id, s.application_merchant_id AS application_owner,
            s.application_id AS application, s.gateway, s.mall_id, s.name, s.state, s.stop_reason, s.deliver_from,
            s.connected_at, y.last_ok_at AS last_read_at,
            s.state <> 'disconnected' AND coalesce(c.dead_reason IS NOT NULL OR c.expires_at <= $2, false) AS is_expired,
            CASE WHEN s.state = 'disconnected' THEN 0 ELSE w.orders END AS need_person,
            EXISTS (SELECT FROM pauses p WHERE p.merchant_id = $1 AND p.scope = 'merchant'
                                           AND (p.ends_at IS NULL OR p.ends_at > $2)) AS is_merchant_paused
       FROM shops s
       LEFT JOIN shop_sync y ON y.shop_id = s.id AND y.merchant_id = $1
       LEFT JOIN credentials c ON c.shop_id = s.id AND c.merchant_id = $1
      CROSS JOIN LATERAL (SELECT count(DISTINCT e.order_sn) AS orders FROM exceptions e
                           WHERE e.merchant_id = $1 AND e.shop_id = s.id AND e.resolved_at IS NULL
                             AND (e.blocking OR e.needs_review) AND e.order_id IS NOT NULL) AS w
      WHERE s.merchant_id = $1 ORDER BY s.id LIMIT $3";

/// Lists the merchant's shops, the oldest connection first, disconnected ones too, with what stands around every page.
/// Index exceptions_one_open, once for each shop; the others are read whole, because every shop is.
///
/// # Errors
/// When the statement fails.
pub async fn list_framed(tx: &TenantTx, at: DateTime<Utc>, limit: i64) -> Result<Vec<FramedShop>, StoreError> {
    let merchant = tx.merchant().as_uuid();
    Ok(sql(FRAMED)
        .bind::<SqlUuid, _>(merchant)
        .bind::<Timestamptz, _>(at)
        .bind::<BigInt, _>(limit)
        .load(&mut tx.shared()?)
        .await?)
}

/// Where a shop goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ShopChange<'a> {
    /// Delivers orders paid from this moment on.
    GoLive {
        /// Orders paid before it are backlog.
        deliver_from: DateTime<Utc>,
    },
    /// Back to showing what it would send.
    TrialRun,
    /// Calls nothing any more; what it was is remembered by `deliver_from`.
    Stop {
        /// Why.
        reason: &'a str,
    },
    /// What it was before it was stopped: live if it has a `deliver_from`, else in trial run.
    Resume,
    /// Its mall may be connected anew.
    Disconnect,
}

/// Changes where a shop is; a disconnected shop stays disconnected.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant or one that is disconnected.
pub async fn update_state(tx: &mut TenantTx, shop: ShopId, change: &ShopChange<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant().as_uuid();
    let bound =
        |statement: &'static str| sql(statement).bind::<SqlUuid, _>(merchant).bind::<SqlUuid, _>(shop.as_uuid());
    let statement = match change {
        ShopChange::GoLive { deliver_from } => bound(
            "UPDATE shops SET state = 'live', deliver_from = $3, stop_reason = NULL
              WHERE merchant_id = $1 AND id = $2 AND state <> 'disconnected'",
        )
        .bind::<Timestamptz, _>(*deliver_from),
        ShopChange::TrialRun => bound(
            "UPDATE shops SET state = 'trial_run', deliver_from = NULL, stop_reason = NULL
              WHERE merchant_id = $1 AND id = $2 AND state <> 'disconnected'",
        ),
        ShopChange::Stop { reason } => bound(
            "UPDATE shops SET state = 'stopped', stop_reason = $3
              WHERE merchant_id = $1 AND id = $2 AND state <> 'disconnected'",
        )
        .bind::<Text, _>(*reason),
        ShopChange::Resume => bound(
            "UPDATE shops SET state = CASE WHEN deliver_from IS NULL THEN 'trial_run' ELSE 'live' END, stop_reason = NULL
              WHERE merchant_id = $1 AND id = $2 AND state <> 'disconnected'",
        ),
        ShopChange::Disconnect => bound(
            "UPDATE shops SET state = 'disconnected' WHERE merchant_id = $1 AND id = $2 AND state <> 'disconnected'",
        ),
    };
    let changed = statement.execute(tx.conn()?).await?;
    if changed == 0 { Err(StoreError::NotFound("shop")) } else { Ok(()) }
}

/// Changes the application and name of a shop that was authorized anew.
///
/// # Errors
/// When the statement fails.
pub async fn update_authorized(
    tx: &mut TenantTx,
    shop: ShopId,
    application: (MerchantId, ApplicationId),
    name: &str,
) -> Result<(), StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("UPDATE shops SET application_merchant_id = $3, application_id = $4, name = $5
          WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<SqlUuid, _>(application.0.as_uuid())
    .bind::<SqlUuid, _>(application.1.as_uuid())
    .bind::<Text, _>(name)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Closes a shop's breaker and makes it due: what kept it from being read was put right.
///
/// # Errors
/// When the statement fails.
pub async fn update_due(tx: &mut TenantTx, shop: ShopId, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("UPDATE shop_sync SET next_due_at = least(next_due_at, $3), failures = 0, breaker_until = NULL
          WHERE merchant_id = $1 AND shop_id = $2")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// What a shop may do right now.
#[derive(QueryableByName)]
pub struct Standing {
    #[diesel(sql_type = Text)]
    state: String,
    /// Orders paid before it are backlog.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deliver_from: Option<DateTime<Utc>>,
    /// Whether the application it is connected through is stopped.
    #[diesel(sql_type = Bool)]
    pub application_stopped: bool,
    /// APIs the application was told it may not call.
    #[diesel(sql_type = Array<Text>)]
    pub denied_apis: Vec<String>,
}

impl Standing {
    /// Returns the shop's state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<ShopState, StoreError> {
        parsed(&self.state)
    }
}

/// Reads what a shop may do and keeps it so until the transaction ends: whoever stops it, or lets it go live, waits.
/// What is said of its application is as of now; it may be hosted, and then nobody here may lock it.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's shop.
pub async fn share_standing(tx: &TenantTx, shop: ShopId) -> Result<Standing, StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("SELECT s.state, s.deliver_from, a.state = 'stopped' AS application_stopped, a.denied_apis
           FROM shops s JOIN applications a ON a.merchant_id = s.application_merchant_id AND a.id = s.application_id
          WHERE s.merchant_id = $1 AND s.id = $2 FOR SHARE OF s")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(&mut tx.shared()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("shop"))
}
