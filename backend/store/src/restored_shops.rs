//! Shops that came back from a backup: what they may not do before what was lost has been read again.
//!
//! # Why
//! A backup shows a moment, the *snapshot*. What happened between it and the loss is known to the platform only: orders
//! were delivered with cards that the restored rows show as stock. So a restore ([`crate::snapshot`]) does four things
//! before anybody can connect: it takes every shop back to trial run and stamps it, quarantines every card that the
//! backup shows as stock, raises the instance's epoch, and leaves the rest to three rules.
//!
//! # Rules
//! - A stamped shop does not go live before [`clear_restored`] has seen that everything from the snapshot to the restore
//!   was read again (`shops_live_is_reconciled`), and then only from the restore on (`shops_live_since_restore`): an
//!   earlier order may have been delivered by what was lost, so a person releases it by its number.
//! - A request that was prepared before the restore is never sent again: its cards may have been freed and sent to
//!   somebody else since ([`Restored::is_before`]). What the platform proves is accepted; the rest is a person's.
//! - Quarantined stock goes back by a person's decision only, pool by pool ([`stock`]).

pub mod stock;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Date, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryId, OrderId, OrderState, ReasonCode, ShopId};
use serde_json::json;
use uuid::Uuid;

use crate::error::StoreError;
use crate::exceptions::{self, NewException};
use crate::order_events::{self, NewEvent};
use crate::orders::{self, OrderKey};
use crate::sql::sql;
use crate::tx::TenantTx;
use crate::{deliveries, stock_waits};

/// What reconciling must read before the snapshot: a transaction that the snapshot does not show may have begun so long
/// before it, and an order is updated before its row is written.
pub const MARGIN: TimeDelta = TimeDelta::minutes(5);

/// When a shop was restored, and whether it was reconciled since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Restored {
    /// The moment the backup shows.
    #[diesel(sql_type = Timestamptz)]
    pub snapshot_at: DateTime<Utc>,
    /// When it was restored.
    #[diesel(sql_type = Timestamptz)]
    pub restored_at: DateTime<Utc>,
    /// When reconciling had covered what lies between; none: the shop may not go live.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub reconciled_at: Option<DateTime<Utc>>,
}

impl Restored {
    /// Returns the range that reconciling has to cover: from, to.
    #[must_use]
    pub fn range(&self) -> (DateTime<Utc>, DateTime<Utc>) {
        (self.snapshot_at - MARGIN, self.restored_at)
    }

    /// Returns whether something was made before the restore, so that what became of it since is not known.
    #[must_use]
    pub fn is_before(&self, made_at: DateTime<Utc>) -> bool {
        made_at < self.restored_at
    }
}

/// What clearing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Clearing {
    /// The shop was not restored, or was cleared before.
    NothingToClear,
    /// The range that was read leaves out a part of what must be read.
    NotCovered {
        /// Reading has to begin here or before.
        from: DateTime<Utc>,
        /// It has to end here or later.
        to: DateTime<Utc>,
    },
    /// The shop may go live.
    Cleared {
        /// Orders without cards that wait for a person now, because what was lost may have delivered them.
        held: usize,
        /// Orders that hold cards which may have been sent to somebody else since.
        review: usize,
    },
}

/// Returns when a shop was restored, if it ever was.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx, shop: ShopId) -> Result<Option<Restored>, StoreError> {
    Ok(sql("SELECT restored_snapshot_at AS snapshot_at, restored_at, reconciled_at
              FROM shops WHERE merchant_id = $1 AND id = $2 AND restored_at IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Lets a restored shop go live again, if the range of update times that was read covers what lies between the snapshot
/// and the restore.
///
/// Called by whoever reconciles, in the transaction that writes the last span of coverage, for a range whose every
/// window was read. What is still open about the shop's orders is settled here: orders that wait for cards, or that a
/// person had released, are held as backlog; orders that hold cards are opened for a person.
///
/// # Errors
/// When a statement fails.
pub async fn clear_restored(
    tx: &mut TenantTx,
    shop: ShopId,
    read: (DateTime<Utc>, DateTime<Utc>),
    now: DateTime<Utc>,
) -> Result<Clearing, StoreError> {
    crate::shops::lock(tx, shop).await?;
    let Some(restored) = find(tx, shop).await?.filter(|restored| restored.reconciled_at.is_none()) else {
        return Ok(Clearing::NothingToClear);
    };
    let (from, to) = restored.range();
    if read.0 > from || read.1 < to {
        return Ok(Clearing::NotCovered { from, to });
    }
    let held = hold(tx, shop, (OrderState::AwaitingCards, WAITING), now).await?
        + hold(tx, shop, (OrderState::Seen, RELEASED), now).await?;
    let review = ask_about_reserved(tx, shop, &restored, now).await?;
    sql("UPDATE shops SET reconciled_at = $3 WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .execute(tx.conn()?)
        .await?;
    Ok(Clearing::Cleared { held, review })
}

#[derive(QueryableByName)]
struct Open {
    /// Its delivery, if one was planned.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    id: Option<Uuid>,
    #[diesel(sql_type = Date)]
    order_day: chrono::NaiveDate,
    #[diesel(sql_type = SqlUuid)]
    order_id: Uuid,
    #[diesel(sql_type = Text)]
    order_sn: String,
}

impl Open {
    const fn key(&self) -> OrderKey {
        OrderKey { day: self.order_day, id: OrderId::from_uuid(self.order_id) }
    }
}

/// Orders that waited for cards when the backup was made.
const WAITING: &str = "SELECT d.id, d.order_day, d.order_id, d.order_sn
              FROM deliveries d JOIN orders o ON o.merchant_id = d.merchant_id AND o.order_day = d.order_day AND o.id = d.order_id
             WHERE d.merchant_id = $1 AND o.merchant_id = $1 AND d.shop_id = $2 AND d.state = 'pending'
               AND o.state = 'awaiting_cards' ORDER BY o.order_day, o.id FOR UPDATE OF o";

/// Orders that a person had released and nobody had handed over. All others that are merely seen are decided about by the
/// moment from which the shop delivers, which lies behind the restore.
const RELEASED: &str = "SELECT d.id, o.order_day, o.id AS order_id, o.order_sn
              FROM orders o LEFT JOIN deliveries d ON d.merchant_id = $1 AND d.shop_id = $2 AND d.order_sn = o.order_sn
             WHERE o.merchant_id = $1 AND o.shop_id = $2 AND o.state = 'seen' AND o.state_cause = 'released_backlog'
             ORDER BY o.order_day, o.id FOR UPDATE OF o";

/// Holds orders that were to be delivered when the backup was made: they may have been since, and the platform does not
/// always ship an order by that.
async fn hold(
    tx: &mut TenantTx,
    shop: ShopId,
    (from, which): (OrderState, &'static str),
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let waiting: Vec<Open> = sql(which)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .load(tx.conn()?)
        .await?;
    let keys: Vec<OrderKey> = waiting.iter().map(Open::key).collect();
    orders::transition(tx, &keys, &[from], OrderState::HeldBacklog, "restored").await?;
    let ids: Vec<DeliveryId> = waiting.iter().filter_map(|row| row.id).map(DeliveryId::from_uuid).collect();
    stock_waits::delete(tx, &ids).await?;
    let sns: Vec<&str> = waiting.iter().map(|row| row.order_sn.as_str()).collect();
    deliveries::due::reschedule(tx, shop, &sns, None).await?;
    exceptions::resolve(tx, shop, &sns, &[ReasonCode::OutOfStock], "held since a restore").await?;
    let events: Vec<NewEvent> = keys
        .iter()
        .map(|key| NewEvent { order: *key, kind: "held_backlog", detail: json!({ "because": "restored" }) })
        .collect();
    order_events::append(tx, now, &events).await?;
    Ok(waiting.len())
}

/// Deliveries that held cards after a certain failure: both may have ended otherwise since. Those that were being
/// handed over are read back by the deliver tick, which asks a person where the platform proves nothing.
async fn ask_about_reserved(
    tx: &mut TenantTx,
    shop: ShopId,
    restored: &Restored,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    let holding: Vec<Open> = sql("SELECT d.id, d.order_day, d.order_id, d.order_sn
              FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.state = 'reserved' AND d.created_at < $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(restored.restored_at)
    .load(tx.conn()?)
    .await?;
    let reason = "restored from a backup: its cards may have been sent to another order since";
    let news: Vec<NewException> = holding
        .iter()
        .map(|row| NewException {
            shop,
            order: Some((row.key(), row.order_sn.clone())),
            code: ReasonCode::UnknownOutcome,
            needs_review: true,
            detail: json!({ "reason": reason }),
        })
        .collect();
    exceptions::open(tx, &news).await?;
    let sns: Vec<&str> = holding.iter().map(|row| row.order_sn.as_str()).collect();
    deliveries::due::reschedule(tx, shop, &sns, None).await?;
    let events: Vec<NewEvent> = holding
        .iter()
        .map(|row| NewEvent { order: row.key(), kind: "needs_review", detail: json!({ "reason": reason }) })
        .collect();
    order_events::append(tx, now, &events).await?;
    Ok(holding.len())
}
