//! The loop of one pool: takes as many entries as there are free slots, and starts a turn for each.

use std::sync::Arc;
use std::time::Duration;

use kamiflow_queue::{Consumer, Lease};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

use crate::step::{Step, StepError, Turn};
use crate::turns::Turns;

/// How long a step waits for a slot, or for an entry. Short, because a stopping loop waits for it: an abandoned read
/// would keep what it was just given for a whole lease.
const WAIT: Duration = Duration::from_secs(1);

/// Takes entries of one pool and runs their turns.
pub(crate) struct PoolLoop {
    turns: Arc<Turns>,
    consumer: Consumer,
    slots: Arc<Semaphore>,
    running: TaskTracker,
    stop: CancellationToken,
}

impl PoolLoop {
    /// A loop that runs at most `concurrency` turns at once, all tracked by `running`.
    pub(crate) fn new(
        turns: Arc<Turns>,
        concurrency: usize,
        running: TaskTracker,
        stop: CancellationToken,
    ) -> Result<Self, kamiflow_queue::QueueError> {
        let consumer = turns.queue.consumer(turns.kind.as_str())?;
        Ok(Self { turns, consumer, slots: Arc::new(Semaphore::new(concurrency.max(1))), running, stop })
    }

    fn start(&self, lease: Lease, slot: OwnedSemaphorePermit) {
        let turns = Arc::clone(&self.turns);
        self.running.spawn(async move {
            turns.run(lease).await;
            drop(slot);
        });
    }
}

impl Step for PoolLoop {
    fn name(&self) -> String {
        format!("pool:{}", self.turns.kind)
    }

    fn pause(&self) -> Duration {
        WAIT
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        let Ok(Ok(slot)) = tokio::time::timeout(WAIT, Arc::clone(&self.slots).acquire_owned()).await else {
            return Ok(Turn::More);
        };
        // Only this loop takes slots, so those that are free now stay free.
        let mut slots = vec![slot];
        while let Ok(slot) = Arc::clone(&self.slots).try_acquire_owned() {
            slots.push(slot);
        }
        for lease in self.consumer.take(slots.len(), WAIT).await? {
            match slots.pop() {
                Some(slot) if !self.stop.is_cancelled() => self.start(lease, slot),
                _ => self.turns.hand_back(lease).await,
            }
        }
        Ok(Turn::More)
    }

    async fn end(self) {
        let name = self.consumer.name().to_owned();
        match self.consumer.close().await {
            Ok(()) => debug!("Closed consumer `{name}`"),
            Err(error) => warn!(%error, "Consumer `{name}` was not closed; its record goes later"),
        }
    }
}
