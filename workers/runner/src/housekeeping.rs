//! Small loops that keep things in order: sums, waiting stock, expiring tokens, partitions, figures.
//!
//! All but the figures run in one process at a time.

use std::time::Duration;

use chrono::TimeDelta;
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::{ledger_root, refresh_token};
use kamiflow_kernel::{MerchantId, PoolId};
use kamiflow_queue::Queue;
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::{Store, StoreError, card_pools, stock_waits, system};
use serde_json::json;
use tracing::{debug, info, warn};

use crate::leader::Leader;
use crate::pools::PoolKind;
use crate::step::{Step, StepError, Turn};
use crate::waker::Waker;

/// How long another process waits until it does the work of one that fell silent, beyond the loop's own pause.
const LEADERSHIP: Duration = Duration::from_secs(30);

/// Adds the deltas that transactions wrote to the hourly sums of the dashboards.
pub struct RollupFolder {
    store: Store,
    leader: Leader,
}

impl RollupFolder {
    const EVERY: Duration = Duration::from_secs(3);
    const BATCH: i32 = 5_000;

    /// Returns a folder.
    #[must_use]
    pub fn new(store: Store, queue: &Queue) -> Self {
        Self { store, leader: Leader::new(queue, "rollup-folder", LEADERSHIP) }
    }
}

impl Step for RollupFolder {
    fn name(&self) -> String {
        "rollup-folder".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
        // Sums of all merchants at once; the function returns a count.
        let mut tx = self.store.system_tx().await?;
        let folded = system::fold_rollups(&mut tx, Self::BATCH).await?;
        tx.commit().await?;
        Ok(if folded < i64::from(Self::BATCH) { Turn::Rest } else { Turn::More })
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}

/// Checks the pools somebody waits for: stock that arrived wakes by itself, this finds what that missed.
pub struct StockSweep {
    engine: Engine,
    waker: Waker,
    leader: Leader,
}

impl StockSweep {
    const EVERY: Duration = Duration::from_secs(60);
    const MOST: i32 = 10_000;

    /// Returns a sweep.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        let leader = Leader::new(queue, "stock-sweep", Self::EVERY + LEADERSHIP);
        Self { engine, waker: Waker::new(queue), leader }
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

impl Step for StockSweep {
    fn name(&self) -> String {
        "stock-sweep".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
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

    async fn end(self) {
        self.leader.resign().await;
    }
}

/// Sees to it that whatever tokens come to their end have a job that cares for them.
///
/// The job is planned when the tokens are stored; this is for the one that was lost or parked by a mistake.
pub struct TokenWatch {
    engine: Engine,
    waker: Waker,
    leader: Leader,
}

impl TokenWatch {
    const EVERY: Duration = Duration::from_secs(900);
    const MOST: i32 = 10_000;

    /// Returns a watch.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        let leader = Leader::new(queue, "token-watch", Self::EVERY + LEADERSHIP);
        Self { engine, waker: Waker::new(queue), leader }
    }
}

impl Step for TokenWatch {
    fn name(&self) -> String {
        "token-watch".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
        let now = self.engine.now();
        // Which shops' tokens end, of all merchants; each job is planned in its merchant's own transaction.
        let mut tx = self.engine.store.system_tx().await?;
        let late = now + refresh_token::REFRESH_AHEAD - TimeDelta::minutes(5);
        let expiring = system::list_expiring_credentials(&mut tx, late, Self::MOST).await?;
        tx.commit().await?;
        for credential in expiring {
            let (key, payload) = (credential.shop.to_string(), json!({ "shop": credential.shop }));
            let job = NewJob { name: refresh_token::JOB, key: &key, payload, due_at: now };
            let mut tx = self.engine.store.tenant_tx(credential.merchant).await?;
            let id = jobs::insert(&mut tx, &job).await?;
            tx.commit().await?;
            self.waker.wake(credential.merchant, &[Wake::Job(id)]).await;
        }
        Ok(Turn::Rest)
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}

/// Says when the tables' partitions do not reach three months ahead, which `kamiflow migrate` mends.
pub struct PartitionCheck {
    store: Store,
    leader: Leader,
}

impl PartitionCheck {
    const EVERY: Duration = Duration::from_secs(3_600);
    const MONTHS_AHEAD: i32 = 3;

    /// Returns a check.
    #[must_use]
    pub fn new(store: Store, queue: &Queue) -> Self {
        Self { store, leader: Leader::new(queue, "partition-check", Self::EVERY + LEADERSHIP) }
    }
}

impl Step for PartitionCheck {
    fn name(&self) -> String {
        "partition-check".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
        // Reads the catalog only.
        let mut tx = self.store.system_tx().await?;
        let missing = system::list_missing_partitions(&mut tx, Self::MONTHS_AHEAD).await?;
        tx.commit().await?;
        let count = u32::try_from(missing.len()).unwrap_or(u32::MAX);
        metrics::gauge!("kamiflow_missing_partitions").set(f64::from(count));
        if count > 0 {
            warn!(partitions = missing.join(", "), "{count} partitions are missing; run `kamiflow migrate`");
        }
        Ok(Turn::Rest)
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}

/// Records how much waits in each pool, which the workers are scaled by.
pub struct BacklogGauge {
    queue: Queue,
}

impl BacklogGauge {
    const EVERY: Duration = Duration::from_secs(5);

    /// Returns a gauge of all pools.
    #[must_use]
    pub fn new(queue: &Queue) -> Self {
        Self { queue: queue.clone() }
    }
}

impl Step for BacklogGauge {
    fn name(&self) -> String {
        "backlog-gauge".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        for pool in PoolKind::ALL {
            self.queue.stats(pool.as_str()).await?.record();
        }
        Ok(Turn::Rest)
    }
}

/// Seals each merchant's settled days of the card ledger with a root.
pub struct LedgerRoots {
    engine: Engine,
    leader: Leader,
}

impl LedgerRoots {
    const EVERY: Duration = Duration::from_secs(600);

    /// Returns a sealer.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        Self { engine, leader: Leader::new(queue, "ledger-roots", LEADERSHIP) }
    }
}

impl Step for LedgerRoots {
    fn name(&self) -> String {
        "ledger-roots".to_owned()
    }

    fn pause(&self) -> Duration {
        Self::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if !self.leader.is_ours().await? {
            return Ok(Turn::Rest);
        }
        // Ids of all merchants; each is then looked at in a transaction of its own.
        let mut tx = self.engine.store.system_tx().await?;
        let merchants = system::list_merchants(&mut tx).await?;
        tx.commit().await?;
        for merchant in merchants {
            let ctx = self.engine.ctx("ledger-roots", merchant);
            if let Some(day) = ledger_root::take(&self.engine, &ctx).await? {
                info!(merchant.id = %merchant, "Sealed the card ledger of {day}");
            }
        }
        Ok(Turn::Rest)
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}
