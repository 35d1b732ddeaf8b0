//! Deliveries: one per order, whatever happens.

pub mod due;

use chrono::{DateTime, NaiveDate, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bytea, Date, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, DeliveryMethod, DeliveryState, OrderId, OrderSn, PoolId, RedemptionMethod, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::{at_most, parsed, sql};
use crate::tx::TenantTx;

/// A delivery to plan for an order.
#[derive(Debug, Clone)]
pub struct NewDelivery {
    /// Its order.
    pub order: OrderKey,
    /// The order's number.
    pub order_sn: String,
    /// The SKU.
    pub sku: Uuid,
    /// How.
    pub method: DeliveryMethod,
    /// How it is redeemed afterwards.
    pub redemption: RedemptionMethod,
    /// From which pool.
    pub pool: Option<PoolId>,
    /// Lines a full hand-over has.
    pub lines_expected: i32,
    /// When the deliver pool is to look at it.
    pub due_at: Option<DateTime<Utc>>,
    /// The latest shipping time.
    pub last_ship_at: Option<DateTime<Utc>>,
}

impl NewDelivery {
    /// Returns the delivery as it is while nothing was done for it yet.
    #[must_use]
    pub fn pending(&self, id: DeliveryId, at: DateTime<Utc>) -> DeliveryRow {
        DeliveryRow {
            id: id.as_uuid(),
            order_day: self.order.day,
            order_id: self.order.id.as_uuid(),
            order_sn: self.order_sn.clone(),
            sku_id: self.sku,
            method: self.method.as_str().to_owned(),
            redemption_method: self.redemption.as_str().to_owned(),
            pool_id: self.pool.map(PoolId::as_uuid),
            lines_expected: self.lines_expected,
            state: DeliveryState::Pending.as_str().to_owned(),
            due_at: self.due_at,
            fence: 0,
            failures: 0,
            payload_hash: None,
            created_at: at,
            delivered_at: None,
        }
    }
}

/// A delivery as it is locked for work.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct DeliveryRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = Date)]
    pub order_day: NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    pub order_id: Uuid,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = SqlUuid)]
    pub sku_id: Uuid,
    #[diesel(sql_type = Text)]
    method: String,
    #[diesel(sql_type = Text)]
    redemption_method: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub pool_id: Option<Uuid>,
    #[diesel(sql_type = Integer)]
    pub lines_expected: i32,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub due_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = BigInt)]
    pub fence: i64,
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub payload_hash: Option<Vec<u8>>,
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub delivered_at: Option<DateTime<Utc>>,
}

impl DeliveryRow {
    /// Returns the id.
    #[must_use]
    pub const fn id(&self) -> DeliveryId {
        DeliveryId::from_uuid(self.id)
    }

    /// Returns the order's key.
    #[must_use]
    pub const fn order(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.order_id) }
    }

    /// Returns the order's number.
    ///
    /// # Errors
    /// When the stored text is no order number.
    pub fn number(&self) -> Result<OrderSn, StoreError> {
        parsed(&self.order_sn)
    }

    /// Returns the state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<DeliveryState, StoreError> {
        parsed(&self.state)
    }

    /// Returns the method.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn method(&self) -> Result<DeliveryMethod, StoreError> {
        parsed(&self.method)
    }

    /// Returns the redemption method.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn redemption(&self) -> Result<RedemptionMethod, StoreError> {
        parsed(&self.redemption_method)
    }
}

macro_rules! delivery_columns {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "d.id, d.order_day, d.order_id, d.order_sn, d.sku_id, d.method, d.redemption_method, d.pool_id, \
             d.lines_expected, d.state, d.due_at, d.fence, d.failures, d.payload_hash, d.created_at, d.delivered_at",
            $after
        )
    };
}

pub(crate) const PLAN: &str = "INSERT INTO deliveries AS d (merchant_id, shop_id, id, order_day, order_id, order_sn, sku_id, method,
                                         redemption_method, pool_id, lines_expected, due_at, last_ship_at)
            SELECT $1, $2, i.* FROM unnest($3::uuid[], $4::date[], $5::uuid[], $6::text[], $7::uuid[], $8::text[],
                $9::text[], $10::uuid[], $11::integer[], $12::timestamptz[], $13::timestamptz[]) AS i
            ON CONFLICT (shop_id, order_sn) DO UPDATE
               SET sku_id = excluded.sku_id, method = excluded.method, redemption_method = excluded.redemption_method,
                   pool_id = excluded.pool_id, lines_expected = excluded.lines_expected, due_at = excluded.due_at,
                   last_ship_at = excluded.last_ship_at, state = 'pending'
             WHERE d.state IN ('pending', 'released') AND d.payload_hash IS NULL AND d.merchant_id = excluded.merchant_id";

/// Plans deliveries; an order that has one keeps it. A pending one is mapped anew, so that a corrected mapping counts.
///
/// # Errors
/// When the connection is lost or a constraint refuses.
pub async fn plan(tx: &TenantTx, shop: ShopId, news: &[NewDelivery]) -> Result<usize, StoreError> {
    if news.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = news.iter().map(|_| DeliveryId::generate().as_uuid()).collect();
    Ok(sql(PLAN)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Date>, _>(news.iter().map(|new| new.order.day).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.order.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news.iter().map(|new| new.order_sn.as_str()).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.sku).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news.iter().map(|new| new.method.as_str()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(news.iter().map(|new| new.redemption.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<SqlUuid>>, _>(news.iter().map(|new| new.pool.map(PoolId::as_uuid)).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(news.iter().map(|new| new.lines_expected).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(news.iter().map(|new| new.due_at).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(news.iter().map(|new| new.last_ship_at).collect::<Vec<_>>())
        .execute(&mut tx.shared()?)
        .await?)
}

/// A delivery that is stored as it starts.
#[derive(Debug)]
pub struct StartedDelivery<'a> {
    /// Its id.
    pub id: DeliveryId,
    /// What is delivered.
    pub new: &'a NewDelivery,
    /// The starter's fence.
    pub fence: i64,
    /// When whoever finds it still handing over is to look at it.
    pub due_at: DateTime<Utc>,
    /// Its payload.
    pub payload_hash: &'a [u8],
}

/// Inserts deliveries of orders that this transaction has inserted, as handing over. Their lines must be there when it
/// commits (constraint deliveries_born_complete).
///
/// # Errors
/// When an order of that number has had a delivery before (constraint deliveries_once), or the connection is lost.
pub async fn insert_started(tx: &TenantTx, shop: ShopId, started: &[StartedDelivery<'_>]) -> Result<(), StoreError> {
    if started.is_empty() {
        return Ok(());
    }
    let news = || started.iter().map(|one| one.new);
    sql("INSERT INTO deliveries (merchant_id, shop_id, state, id, order_day, order_id, order_sn, sku_id, method,
                                 redemption_method, pool_id, lines_expected, last_ship_at, due_at, fence, payload_hash)
         SELECT $1, $2, 'handing_over', i.* FROM unnest($3::uuid[], $4::date[], $5::uuid[], $6::text[], $7::uuid[],
             $8::text[], $9::text[], $10::uuid[], $11::integer[], $12::timestamptz[], $13::timestamptz[], $14::bigint[],
             $15::bytea[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<SqlUuid>, _>(started.iter().map(|one| one.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Date>, _>(news().map(|new| new.order.day).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news().map(|new| new.order.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news().map(|new| new.order_sn.as_str()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news().map(|new| new.sku).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news().map(|new| new.method.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news().map(|new| new.redemption.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(news().map(|new| new.pool.map(PoolId::as_uuid)).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(news().map(|new| new.lines_expected).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(news().map(|new| new.last_ship_at).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(started.iter().map(|one| one.due_at).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(started.iter().map(|one| one.fence).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(started.iter().map(|one| one.payload_hash).collect::<Vec<_>>())
    .execute(&mut tx.shared()?)
    .await?;
    Ok(())
}

pub(crate) const LOCK_BY_SN: &str = delivery_columns!(
    "SELECT ",
    " FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
         ORDER BY d.id FOR UPDATE SKIP LOCKED"
);

/// Locks the deliveries of orders; ones that somebody else works on are left out. Index deliveries_once.
///
/// # Errors
/// When the connection is lost.
pub async fn lock_by_sn(tx: &TenantTx, shop: ShopId, sns: &[&str]) -> Result<Vec<DeliveryRow>, StoreError> {
    Ok(sql(LOCK_BY_SN)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(sns.to_vec())
        .load(&mut tx.shared()?)
        .await?)
}

pub(crate) const LOCK_WAITING: &str = delivery_columns!(
    "SELECT ",
    " FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = ANY ($3)
         ORDER BY d.id FOR UPDATE"
);

/// Locks the deliveries of orders, waiting for whoever works on them. Index deliveries_once.
///
/// # Errors
/// When the connection is lost or the wait is too long.
pub async fn lock_waiting(tx: &TenantTx, shop: ShopId, sns: &[&str]) -> Result<Vec<DeliveryRow>, StoreError> {
    Ok(sql(LOCK_WAITING)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(sns.to_vec())
        .load(&mut tx.shared()?)
        .await?)
}

// The LIMIT is for the planner, see orders::TRANSITION.
pub(crate) const LIST_OF_SHOPS: &str = delivery_columns!(
    "SELECT d.shop_id, ",
    " FROM (SELECT * FROM unnest($2::uuid[], $3::text[]) AS u (shop_id, order_sn) LIMIT $4) AS i
      JOIN deliveries d ON d.merchant_id = $1 AND d.shop_id = i.shop_id AND d.order_sn = i.order_sn"
);

/// Lists the deliveries of orders of several shops, each with its shop. Index deliveries_once.
///
/// # Errors
/// When the connection is lost.
pub async fn list_of_shops(tx: &TenantTx, orders: &[(ShopId, &str)]) -> Result<Vec<(ShopId, DeliveryRow)>, StoreError> {
    #[derive(QueryableByName)]
    struct OfShop {
        #[diesel(sql_type = SqlUuid)]
        shop_id: Uuid,
        #[diesel(embed)]
        row: DeliveryRow,
    }
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    let (shops, sns): (Vec<Uuid>, Vec<&str>) = orders.iter().map(|(shop, sn)| (shop.as_uuid(), *sn)).unzip();
    let rows: Vec<OfShop> = sql(LIST_OF_SHOPS)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(shops)
        .bind::<Array<Text>, _>(sns)
        .bind::<BigInt, _>(at_most(orders))
        .load(&mut tx.shared()?)
        .await?;
    Ok(rows.into_iter().map(|of_shop| (ShopId::from_uuid(of_shop.shop_id), of_shop.row)).collect())
}

/// Finds the delivery of an order.
///
/// # Errors
/// When the connection is lost.
pub async fn find_by_sn(tx: &mut TenantTx, shop: ShopId, sn: &str) -> Result<Option<DeliveryRow>, StoreError> {
    let rows: Vec<DeliveryRow> = sql(delivery_columns!(
        "SELECT ",
        " FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = $3"
    ))
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(sn)
    .load(tx.conn()?)
    .await?;
    Ok(rows.into_iter().next())
}

/// A change of one delivery that is locked or fenced.
#[derive(Debug, Clone)]
pub struct DeliveryChange {
    /// Which.
    pub id: DeliveryId,
    /// The fence the writer holds; another fence means that somebody took over, and nothing is written.
    pub fence: i64,
    /// The next fence, equal to `fence` unless the writer takes over.
    pub next_fence: i64,
    /// The new state.
    pub state: DeliveryState,
    /// When it is to be looked at again.
    pub due_at: Option<DateTime<Utc>>,
    /// Classified failures in a row.
    pub failures: i32,
    /// The payload, once it is fixed.
    pub payload_hash: Option<Vec<u8>>,
    /// When it was delivered.
    pub delivered_at: Option<DateTime<Utc>>,
}

// The LIMIT is for the planner, see orders::TRANSITION.
pub(crate) const UPDATE_FENCED: &str = "UPDATE deliveries d
               SET state = i.state, fence = i.next_fence, due_at = i.due_at, failures = i.failures,
                   payload_hash = coalesce(d.payload_hash, i.payload_hash), delivered_at = i.delivered_at
              FROM (SELECT * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::text[], $6::timestamptz[],
                                         $7::integer[], $8::bytea[], $9::timestamptz[])
                        AS u (id, fence, next_fence, state, due_at, failures, payload_hash, delivered_at) LIMIT $10) AS i
             WHERE d.merchant_id = $1 AND d.id = i.id AND d.fence = i.fence
         RETURNING d.id";

/// Writes changes where the fence still is the writer's; returns the deliveries written.
///
/// # Errors
/// When a trigger refuses or the connection is lost.
pub async fn update_fenced(tx: &TenantTx, changes: &[DeliveryChange]) -> Result<Vec<DeliveryId>, StoreError> {
    #[derive(QueryableByName)]
    struct Written {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    if changes.is_empty() {
        return Ok(Vec::new());
    }
    let written: Vec<Written> = sql(UPDATE_FENCED)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(changes.iter().map(|c| c.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.iter().map(|c| c.fence).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(changes.iter().map(|c| c.next_fence).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(changes.iter().map(|c| c.state.as_str()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(changes.iter().map(|c| c.due_at).collect::<Vec<_>>())
        .bind::<Array<Integer>, _>(changes.iter().map(|c| c.failures).collect::<Vec<_>>())
        .bind::<Array<Nullable<Bytea>>, _>(changes.iter().map(|c| c.payload_hash.as_deref()).collect::<Vec<_>>())
        .bind::<Array<Nullable<Timestamptz>>, _>(changes.iter().map(|c| c.delivered_at).collect::<Vec<_>>())
        .bind::<BigInt, _>(at_most(changes))
        .load(&mut tx.shared()?)
        .await?;
    Ok(written.into_iter().map(|row| DeliveryId::from_uuid(row.id)).collect())
}
