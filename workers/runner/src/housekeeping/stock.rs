//! Checks the pools somebody waits for: stock that arrived wakes by itself, this finds what that missed.

use std::time::Duration;

use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_kernel::{MerchantId, PoolId};
use kamiflow_queue::Queue;
use kamiflow_store::{StoreError, card_pools, stock_waits, system};
use tracing::{debug, info};

use super::Chore;
use crate::step::{StepError, Turn};
use crate::waker::Waker;

/// Wakes those whose stock has arrived.
pub struct StockSweep {
    engine: Engine,
    waker: Waker,
}

impl StockSweep {
    const MOST: i32 = 10_000;

    /// Returns a sweep.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        Self { engine, waker: Waker::new(queue) }
    }

    async fn wake(&self, merchant: MerchantId, pool: PoolId) -> Result<(), StoreError> {
        let mut tx = self.engine.store.tenant_tx(merchant).await?;
        card_pools::lock(&mut tx, &[pool]).await?;
        let shops = stock_waits::wake(&mut tx, pool, self.engine.now()).await?;
        tx.commit().await?;
        if !shops.is_empty() {
            info!(pool.id = %pool, "Woke orders of {} shops that waited for stock of pool `{pool}`", shops.len());
            let wakes: Vec<Wake> = shops.into_iter().map(Wake::Deliver).collect();
            self.waker.wake(merchant, &wakes).await;
        }
        Ok(())
    }
}

impl Chore for StockSweep {
    const NAME: &'static str = "stock-sweep";
    const EVERY: Duration = Duration::from_secs(60);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        // Which pools of all merchants are waited for; each is looked at in its merchant's own transaction.
        let mut tx = self.engine.store.system_tx().await?;
        let pools = system::list_awaited_pools(&mut tx, Self::MOST).await?;
        tx.commit().await?;
        for awaited in pools {
            match self.wake(awaited.merchant, awaited.pool).await {
                Ok(()) => {}
                Err(error) if error.is_connection_lost() => return Err(error.into()),
                // A pool that is being filled, or has gone: the next turn sees.
                Err(error) => debug!(pool.id = %awaited.pool, %error, "A pool was passed over"),
            }
        }
        Ok(Turn::Rest)
    }
}
