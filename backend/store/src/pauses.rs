//! Pauses: what is not to be delivered or redeemed for now, at every level.
//!
//! Who starts hand-overs keeps the merchant's pauses as they are until its transaction ends ([`keep`]); who sets or ends
//! one waits for those transactions first ([`lock`]). So once a pause is committed nothing starts that had not seen it,
//! and once it is ended nobody puts work off for it any more. Both are the first lock of their transaction.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{BatchId, PoolId, ShopId, SkuId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// What is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PauseScope {
    /// Everything of the merchant.
    Merchant,
    /// One shop.
    Shop(ShopId),
    /// Orders of one SKU.
    Sku(SkuId),
    /// Orders that take cards of one pool.
    Pool(PoolId),
    /// Cards of one batch: they are not claimed.
    Batch(BatchId),
}

/// Which work is paused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PausedWork {
    /// Hand-overs.
    Delivery,
    /// Redemptions.
    Redemption,
}

impl PausedWork {
    /// Returns the stable text.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "delivery",
            Self::Redemption => "redemption",
        }
    }
}

impl PauseScope {
    /// Returns the stable text of the level.
    #[must_use]
    pub const fn level(self) -> &'static str {
        match self {
            Self::Merchant => "merchant",
            Self::Shop(_) => "shop",
            Self::Sku(_) => "sku",
            Self::Pool(_) => "pool",
            Self::Batch(_) => "batch",
        }
    }

    fn target(self, tx: &TenantTx) -> Uuid {
        match self {
            Self::Merchant => tx.merchant().as_uuid(),
            Self::Shop(id) => id.as_uuid(),
            Self::Sku(id) => id.as_uuid(),
            Self::Pool(id) => id.as_uuid(),
            Self::Batch(id) => id.as_uuid(),
        }
    }
}

/// A pause to set.
#[derive(Debug, Clone, Copy)]
pub struct NewPause<'a> {
    /// What.
    pub scope: PauseScope,
    /// Which work.
    pub work: PausedWork,
    /// Why, for people.
    pub reason: &'a str,
    /// Until when; `None` until somebody ends it.
    pub ends_at: Option<DateTime<Utc>>,
    /// Since when.
    pub at: DateTime<Utc>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PauseRow {
    /// What.
    pub scope: PauseScope,
    /// Which work.
    pub work: PausedWork,
    /// Why, for people.
    pub reason: String,
    /// Until when.
    pub ends_at: Option<DateTime<Utc>>,
}

/// Tells the locks of pauses from other advisory locks.
pub(crate) const LOCK_SPACE: i64 = 0x7061_7573;

/// Keeps the merchant's pauses as they are until the transaction ends. Others may do so at the same time.
///
/// # Errors
/// When somebody who sets or ends a pause takes too long.
pub async fn keep(tx: &mut TenantTx) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("SELECT pg_advisory_xact_lock_shared(hashtextextended($1::text, $2))")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<BigInt, _>(LOCK_SPACE)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Waits for everybody who keeps the merchant's pauses as they are, and keeps them out until the transaction ends.
///
/// # Errors
/// When the wait is too long.
pub async fn lock(tx: &mut TenantTx) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("SELECT pg_advisory_xact_lock(hashtextextended($1::text, $2))")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<BigInt, _>(LOCK_SPACE)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Levels at which the delivery of one shop is paused, as statements take them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PausedLevels {
    /// The merchant or the shop itself.
    pub everything: bool,
    /// SKUs.
    pub skus: Vec<Uuid>,
    /// Pools.
    pub pools: Vec<Uuid>,
    /// Batches; what holds a card of one waits.
    pub batches: Vec<Uuid>,
}

impl PausedLevels {
    /// Returns whether nothing is paused.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        !self.everything && self.skus.is_empty() && self.pools.is_empty() && self.batches.is_empty()
    }
}

/// Sets a pause, or changes the reason and end of the one that is set; returns whether one was set. Under [`lock`].
///
/// # Errors
/// When the statement fails.
pub async fn upsert(tx: &mut TenantTx, new: &NewPause<'_>) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Written {
        #[diesel(sql_type = Bool)]
        changed: bool,
    }
    let merchant = tx.merchant();
    let target = new.scope.target(tx);
    let written: Written =
        sql("INSERT INTO pauses (id, merchant_id, scope, target_id, work, reason, ends_at, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT ON CONSTRAINT pauses_once DO UPDATE SET reason = excluded.reason, ends_at = excluded.ends_at
         RETURNING xmax <> 0 AS changed")
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(new.scope.level())
        .bind::<SqlUuid, _>(target)
        .bind::<Text, _>(new.work.as_str())
        .bind::<Text, _>(new.reason)
        .bind::<Nullable<Timestamptz>, _>(new.ends_at)
        .bind::<Timestamptz, _>(new.at)
        .get_result(tx.conn()?)
        .await?;
    Ok(written.changed)
}

/// Ends a pause; returns whether there was one. Under [`lock`].
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, scope: PauseScope, work: PausedWork) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let target = scope.target(tx);
    let deleted = sql("DELETE FROM pauses WHERE merchant_id = $1 AND scope = $2 AND target_id = $3 AND work = $4")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Text, _>(scope.level())
        .bind::<SqlUuid, _>(target)
        .bind::<Text, _>(work.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(deleted > 0)
}

/// Lists the pauses in effect at a moment; a merchant has few. Index pauses_once.
///
/// # Errors
/// When the statement fails.
pub async fn list_active(tx: &TenantTx, at: DateTime<Utc>) -> Result<Vec<PauseRow>, StoreError> {
    #[derive(QueryableByName)]
    struct Stored {
        #[diesel(sql_type = Text)]
        scope: String,
        #[diesel(sql_type = SqlUuid)]
        target_id: Uuid,
        #[diesel(sql_type = Text)]
        work: String,
        #[diesel(sql_type = Text)]
        reason: String,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        ends_at: Option<DateTime<Utc>>,
    }
    let merchant = tx.merchant();
    let rows: Vec<Stored> = sql("SELECT scope, target_id, work, reason, ends_at FROM pauses
                                  WHERE merchant_id = $1 AND (ends_at IS NULL OR ends_at > $2)
                                  ORDER BY created_at, id LIMIT 10000")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(at)
    .load(&mut tx.shared()?)
    .await?;
    rows.into_iter()
        .map(|row| {
            let scope = match row.scope.as_str() {
                "merchant" => PauseScope::Merchant,
                "shop" => PauseScope::Shop(ShopId::from_uuid(row.target_id)),
                "sku" => PauseScope::Sku(SkuId::from_uuid(row.target_id)),
                "pool" => PauseScope::Pool(PoolId::from_uuid(row.target_id)),
                "batch" => PauseScope::Batch(BatchId::from_uuid(row.target_id)),
                other => return Err(StoreError::Corrupt(format!("`{other}` is no level of a pause"))),
            };
            let work = match row.work.as_str() {
                "delivery" => PausedWork::Delivery,
                "redemption" => PausedWork::Redemption,
                other => return Err(StoreError::Corrupt(format!("`{other}` is no work that can be paused"))),
            };
            Ok(PauseRow { scope, work, reason: row.reason, ends_at: row.ends_at })
        })
        .collect()
}

/// Makes work of some shops due that was put off; what has nothing to do by itself stays without a time, and what is
/// being handed over right now stays with its sender.
///
/// # Errors
/// When the statement fails.
pub async fn make_due(
    tx: &mut TenantTx,
    work: PausedWork,
    shops: &[ShopId],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let statement = match work {
        PausedWork::Delivery => {
            "UPDATE deliveries d SET due_at = $3
               FROM (SELECT w.id FROM deliveries w
                      WHERE w.merchant_id = $1 AND w.shop_id = ANY($2) AND w.due_at > $3
                        AND (w.state IN ('pending', 'reserved')
                             OR w.state = 'handing_over' AND NOT EXISTS (SELECT FROM delivery_attempts a
                                 WHERE a.merchant_id = $1 AND a.delivery_id = w.id AND a.state = 'started'))
                      ORDER BY w.id FOR UPDATE) later
              WHERE d.merchant_id = $1 AND d.id = later.id"
        }
        PausedWork::Redemption => {
            "UPDATE redemptions r SET due_at = $3
               FROM (SELECT id FROM redemptions
                      WHERE merchant_id = $1 AND shop_id = ANY($2) AND due_at > $3 AND state = 'waiting'
                      ORDER BY id FOR UPDATE) later
              WHERE r.merchant_id = $1 AND r.id = later.id"
        }
    };
    sql(statement)
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(shops.iter().map(|shop| shop.as_uuid()).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
