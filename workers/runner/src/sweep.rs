//! Puts into the queue what Postgres says is due: everything after Redis was emptied, what was lost else.
//!
//! Postgres is the truth about what is due. Redis is told by wakes as things happen, and wakes get lost: a process
//! dies after its commit, an answer is cut off, Redis is emptied. Every 30 s one process compares the two and adds
//! what is more than 30 s late and neither queued nor leased. A process that starts does so once at once, whoever
//! else does.
//!
//! After an emptied Redis exactly one process is told ([`Queue::ensure_epoch`]) and schedules everything due within
//! the hour, at its time; what is due later is found by the sweep when its time has come.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::MerchantId;
use kamiflow_queue::{Entry, EpochState, Queue, When};
use kamiflow_store::system;
use tracing::{info, warn};

use crate::leader::Leader;
use crate::pools::PoolKind;
use crate::step::{Step, StepError, Turn};
use crate::waker::entry;

const EVERY: Duration = Duration::from_secs(30);
/// How late something must be to be looked for: what is younger is on its way.
const LATE: TimeDelta = TimeDelta::seconds(30);
/// How far ahead a seed looks.
const AHEAD: TimeDelta = TimeDelta::hours(1);
/// Most rows of a pool per turn: ten times what one process must hold.
const MOST: i32 = 100_000;

type Due = BTreeMap<PoolKind, Vec<(Entry, DateTime<Utc>)>>;

/// Compares what is due with what is queued.
pub struct Sweep {
    engine: Engine,
    queue: Queue,
    leader: Leader,
    started: bool,
}

impl Sweep {
    /// Returns a sweep over all pools, whichever this process runs.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        let leader = Leader::new(queue, "sweep", EVERY * 3 / 2);
        Self { engine, queue: queue.clone(), leader, started: false }
    }

    /// Forgets what the queue was told about another incarnation of the data: a backup was restored.
    async fn adopt(&self) -> Result<(), StepError> {
        // Which incarnation: no merchant's row.
        let mut tx = self.engine.store.system_tx().await?;
        let instance = system::fetch_instance(&mut tx).await?;
        tx.commit().await?;
        if self.queue.adopt(&instance.incarnation()).await? {
            warn!("The database was restored from a backup: the queue forgets everything and is filled anew");
        }
        Ok(())
    }

    async fn seed(&self) -> Result<usize, StepError> {
        let mut seeded = 0;
        for (pool, entries) in self.due_before(self.engine.now() + AHEAD).await? {
            seeded += entries.len();
            let timed: Vec<_> = entries.into_iter().map(|(entry, at)| (entry, When::At(at))).collect();
            self.queue.schedule_many(pool.as_str(), &timed).await?;
        }
        Ok(seeded)
    }

    async fn add_missing(&self) -> Result<usize, StepError> {
        let mut added = 0;
        for (pool, entries) in self.due_before(self.engine.now() - LATE).await? {
            let entries: Vec<Entry> = entries.into_iter().map(|(entry, _)| entry).collect();
            let known = self.queue.is_queued_or_leased(pool.as_str(), &entries).await?;
            let missing = entries.into_iter().zip(known).filter(|(_, known)| !known);
            let missing: Vec<_> = missing.map(|(entry, _)| (entry, When::Now)).collect();
            self.queue.schedule_many(pool.as_str(), &missing).await?;
            let count = u64::try_from(missing.len()).unwrap_or(u64::MAX);
            metrics::counter!("kamiflow_sweep_added_total", "pool" => pool.as_str()).increment(count);
            added += missing.len();
        }
        Ok(added)
    }

    async fn due_before(&self, before: DateTime<Utc>) -> Result<Due, StepError> {
        // Shops and jobs of all merchants: ids and times, nothing else.
        let mut tx = self.engine.store.system_tx().await?;
        let shops = system::list_due_shops(&mut tx, before, MOST).await?;
        let jobs = system::list_due_jobs(&mut tx, before, MOST).await?;
        tx.commit().await?;
        let mut due = Due::new();
        for shop in shops {
            match shop.pool.parse() {
                Ok(pool) => add(&mut due, pool, (&shop.shop.to_string(), shop.merchant), shop.due_at)?,
                Err(error) => warn!(%error, "The schema knows a pool that this program does not"),
            }
        }
        for job in jobs {
            add(&mut due, PoolKind::Jobs, (&job.job.to_string(), job.merchant), job.due_at)?;
        }
        Ok(due)
    }
}

fn add(
    due: &mut Due,
    pool: PoolKind,
    (member, merchant): (&str, MerchantId),
    at: DateTime<Utc>,
) -> Result<(), StepError> {
    due.entry(pool).or_default().push((entry(member, merchant)?, at));
    Ok(())
}

impl Step for Sweep {
    fn name(&self) -> String {
        "sweep".to_owned()
    }

    fn pause(&self) -> Duration {
        EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        self.adopt().await?;
        if self.queue.ensure_epoch().await? == EpochState::Fresh {
            let seeded = self.seed().await?;
            info!("Redis was empty: scheduled {seeded} shops and jobs again");
        }
        if self.leader.is_ours().await? || !self.started {
            let added = self.add_missing().await?;
            if added > 0 {
                info!("Scheduled {added} shops and jobs that were due and in no queue");
            }
        }
        self.started = true;
        Ok(Turn::Rest)
    }

    async fn rest(&mut self) {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = self.queue.emptied() => {}
        }
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}
