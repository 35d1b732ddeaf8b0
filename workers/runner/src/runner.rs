//! Starts all loops of a process, and stops them without losing what is in flight.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kamiflow_domain::accounts::mailer::Mailer;
use kamiflow_domain::engine::Engine;
use kamiflow_queue::{Promoter, Queue, QueueError};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::housekeeping::{
    BacklogGauge, Led, LedgerRoots, PartitionCheck, PlatformStockWatch, RollupFolder, ShipByWatch, StockSweep,
    StockWatch, TokenWatch,
};
use crate::liveness::Liveness;
use crate::pool::PoolLoop;
use crate::pools::PoolKind;
use crate::push::{PushListeners, PushSettings};
use crate::relay::Relay;
use crate::retention::Retention;
use crate::step::{self, Step, StepError, Turn};
use crate::sweep::Sweep;
use crate::turns::{Failures, Turns};
use crate::waker::Waker;
use crate::work;

/// What is left of the deadline for handing back what did not end in time.
const HAND_BACK: Duration = Duration::from_secs(2);
/// How often due entries are looked for.
const PROMOTION: Duration = Duration::from_millis(100);

/// What a process runs.
#[derive(Clone)]
pub struct RunnerConfig {
    /// The pools it serves, each with how many turns it runs at once.
    pub pools: Vec<(PoolKind, usize)>,
    /// Message push; none means polling only.
    pub push: Option<PushSettings>,
    /// Who sends mail; without anybody mails wait.
    pub mailer: Option<Arc<dyn Mailer>>,
}

/// Why a runner did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunnerError {
    /// Nothing to run.
    #[error("no pool was named")]
    NoPools,
    /// A pool was named twice.
    #[error("pool `{0}` is named twice")]
    PoolTwice(PoolKind),
    /// The queue refused.
    #[error("the queue cannot be used")]
    Queue(#[from] QueueError),
}

/// The background half of a process.
pub struct Runner;

/// A runner that works. Dropping it stops nothing; cancel its token or call [`RunnerHandle::stop`].
pub struct RunnerHandle {
    stop: CancellationToken,
    deadline: CancellationToken,
    loops: Vec<JoinHandle<()>>,
    turns: TaskTracker,
}

/// How a runner stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stopped {
    /// Whether every turn in flight ended by itself; otherwise some were handed back.
    pub finished: bool,
}

impl Runner {
    /// Starts the pools and everything around them. Cancelling `shutdown` ends the taking of work; follow it by
    /// [`RunnerHandle::stop`], which waits for what is in flight.
    ///
    /// # Errors
    /// When the configuration cannot work.
    pub fn start(
        config: &RunnerConfig,
        engine: &Engine,
        queue: &Queue,
        liveness: &Liveness,
        shutdown: &CancellationToken,
    ) -> Result<RunnerHandle, RunnerError> {
        check(config)?;
        let handle = RunnerHandle {
            stop: shutdown.child_token(),
            deadline: CancellationToken::new(),
            loops: Vec::new(),
            turns: TaskTracker::new(),
        };
        handle.started(config, engine, queue, liveness)
    }
}

fn check(config: &RunnerConfig) -> Result<(), RunnerError> {
    let mut seen = Vec::new();
    for (kind, _) in &config.pools {
        if seen.contains(kind) {
            return Err(RunnerError::PoolTwice(*kind));
        }
        seen.push(*kind);
    }
    if seen.is_empty() { Err(RunnerError::NoPools) } else { Ok(()) }
}

impl RunnerHandle {
    fn started(
        mut self,
        config: &RunnerConfig,
        engine: &Engine,
        queue: &Queue,
        liveness: &Liveness,
    ) -> Result<Self, RunnerError> {
        let names: Vec<&str> = config.pools.iter().map(|(kind, _)| kind.as_str()).collect();
        // Everything that can fail comes before the first loop.
        let promotion = Promotion(Promoter::new(queue, &names)?);
        let relay = Relay::new(engine.store.clone(), queue)?;
        let mut pools = Vec::new();
        for (kind, concurrency) in &config.pools {
            let turns = Arc::new(Turns {
                kind: *kind,
                work: work::of_pool(*kind, engine, config.mailer.clone()),
                queue: queue.clone(),
                waker: Waker::new(queue),
                clock: Arc::clone(&engine.clock),
                deadline: self.deadline.clone(),
                failures: Failures::default(),
            });
            pools.push(PoolLoop::new(turns, *concurrency, self.turns.clone(), self.stop.clone())?);
        }

        for pool in pools {
            self.run(pool, liveness);
        }
        self.run(promotion, liveness);
        self.run(Sweep::new(engine.clone(), queue), liveness);
        self.run(relay, liveness);
        self.run(Led::new(queue, RollupFolder::new(engine.store.clone())), liveness);
        self.run(Led::new(queue, StockSweep::new(engine.clone(), queue)), liveness);
        self.run(Led::new(queue, StockWatch::new(engine.clone())), liveness);
        self.run(Led::new(queue, ShipByWatch::new(engine.clone())), liveness);
        self.run(Led::new(queue, PlatformStockWatch::new(engine.clone(), queue)), liveness);
        self.run(Led::new(queue, TokenWatch::new(engine.clone(), queue)), liveness);
        self.run(Led::new(queue, LedgerRoots::new(engine.clone())), liveness);
        self.run(Led::new(queue, PartitionCheck::new(engine.store.clone())), liveness);
        self.run(Led::new(queue, Retention::new(engine.clone())), liveness);
        self.run(BacklogGauge::new(queue), liveness);
        if let Some(push) = &config.push {
            self.run(PushListeners::new(engine.clone(), queue, push.clone()), liveness);
        }
        info!("Working in the pools {}", names.join(", "));
        Ok(self)
    }

    fn run<S: Step>(&mut self, step: S, liveness: &Liveness) {
        self.loops.push(step::spawn(step, liveness, &self.stop));
    }

    /// Returns the token that ends the taking of work.
    #[must_use]
    pub fn shutdown(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Takes no more work, waits for what is in flight, and hands back what has not ended shortly before the
    /// deadline.
    pub async fn stop(self, deadline: Duration) -> Stopped {
        self.stop.cancel();
        let until = Instant::now() + deadline;
        let patience = until.checked_sub(HAND_BACK.min(deadline / 2)).unwrap_or(until);
        let aborts: Vec<_> = self.loops.iter().map(JoinHandle::abort_handle).collect();
        let mut loops = std::pin::pin!(join_all(self.loops));
        // Loops first: the pools' loops stop starting turns only then.
        let loops_ended = tokio::time::timeout_at(patience, &mut loops).await.is_ok();
        self.turns.close();
        let finished = tokio::time::timeout_at(patience, self.turns.wait()).await.is_ok();
        if !finished {
            warn!("{} turns have not ended in time and are handed back", self.turns.len());
        }
        self.deadline.cancel();
        let handed_back = tokio::time::timeout_at(until, self.turns.wait()).await.is_ok();
        if !loops_ended && tokio::time::timeout_at(until, &mut loops).await.is_err() {
            aborts.iter().for_each(tokio::task::AbortHandle::abort);
        }
        if !handed_back {
            warn!("{} turns could not be handed back; their leases will expire", self.turns.len());
        }
        Stopped { finished }
    }
}

/// Moves due entries to the streams.
struct Promotion(Promoter);

impl Step for Promotion {
    fn name(&self) -> String {
        "promoter".to_owned()
    }

    fn pause(&self) -> Duration {
        PROMOTION
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        self.0.step().await?;
        Ok(Turn::Rest)
    }
}
