//! What is paused right now: read in the transaction that starts a hand-over, so that a pause holds before the next one.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{PoolId, ShopId, SkuId};
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::pauses::{self, PauseRow, PauseScope, PausedWork};
use kamiflow_store::{StoreError, TenantTx};
use uuid::Uuid;

/// The merchant's pauses in force.
#[derive(Debug, Default)]
pub struct Paused(Vec<PauseRow>);

impl Paused {
    /// Reads what is in force at a moment.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn load(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<Self, StoreError> {
        pauses::list_active(tx, at).await.map(Self)
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
