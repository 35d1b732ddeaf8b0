//! What is paused right now: read in the transaction that starts a hand-over, so that a pause holds before the next one.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{PoolId, ShopId, SkuId};
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::pauses::{self, PauseRow, PauseScope, PausedLevels, PausedWork};
use kamiflow_store::{StoreError, TenantTx};
use uuid::Uuid;

/// How long work is put off for a pause without an end. Whoever ends a pause makes it due at once; this is the net.
const LOOK_AGAIN: TimeDelta = TimeDelta::minutes(10);

/// The merchant's pauses in force.
#[derive(Debug, Default)]
pub struct Paused(Vec<PauseRow>);

impl Paused {
    /// Reads what is in force at a moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(tx: &TenantTx, at: DateTime<Utc>) -> Result<Self, StoreError> {
        pauses::list_active(tx, at).await.map(Self)
    }

    /// Reads what is in force at a moment and keeps it so until the transaction ends, as its first lock.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<Self, StoreError> {
        pauses::keep(tx).await?;
        Self::load(tx, at).await
    }

    /// Returns whether nothing is.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether a delivery may not start: its merchant, shop, SKU or pool is paused.
    #[must_use]
    pub fn delivery_of(&self, shop: ShopId, row: &DeliveryRow) -> bool {
        self.hand_over_of(shop, SkuId::from_uuid(row.sku_id), row.pool_id.map(PoolId::from_uuid))
    }

    /// Returns whether nothing may be handed over for a SKU from a pool: its merchant, shop, SKU or pool is paused.
    #[must_use]
    pub fn hand_over_of(&self, shop: ShopId, sku: SkuId, pool: Option<PoolId>) -> bool {
        self.0.iter().filter(|pause| pause.work == PausedWork::Delivery).any(|pause| match pause.scope {
            PauseScope::Merchant => true,
            PauseScope::Shop(id) => id == shop,
            PauseScope::Sku(id) => id == sku,
            PauseScope::Pool(id) => pool == Some(id),
            PauseScope::Batch(_) => false,
        })
    }

    /// Returns the levels at which a shop's deliveries are held back.
    #[must_use]
    pub fn levels_of(&self, shop: ShopId) -> PausedLevels {
        let mut levels = PausedLevels::default();
        for pause in self.0.iter().filter(|pause| pause.work == PausedWork::Delivery) {
            match pause.scope {
                PauseScope::Merchant => levels.everything = true,
                PauseScope::Shop(id) => levels.everything |= id == shop,
                PauseScope::Sku(id) => levels.skus.push(id.as_uuid()),
                PauseScope::Pool(id) => levels.pools.push(id.as_uuid()),
                PauseScope::Batch(id) => levels.batches.push(id.as_uuid()),
            }
        }
        levels
    }

    /// Returns when to look again at what a pause of delivery holds back: when the first one ends by itself, or in a while.
    #[must_use]
    pub fn look_again(&self, now: DateTime<Utc>) -> DateTime<Utc> {
        let delivery = self.0.iter().filter(|pause| pause.work == PausedWork::Delivery);
        delivery.filter_map(|pause| pause.ends_at).fold(now + LOOK_AGAIN, DateTime::min)
    }

    /// Returns the batches whose cards may not be handed out.
    #[must_use]
    pub fn batches(&self) -> Vec<Uuid> {
        self.0
            .iter()
            .filter(|pause| pause.work == PausedWork::Delivery)
            .filter_map(|pause| match pause.scope {
                PauseScope::Batch(id) => Some(id.as_uuid()),
                _ => None,
            })
            .collect()
    }
}
