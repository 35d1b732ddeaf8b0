//! The loop that makes time pass: due entries become ready, dead consumers disappear.
//!
//! Every worker process runs one. They need no leader: a tick is a key that expires with the tick, whoever sets it
//! does the work of that tick, and if that process dies the next tick is somebody else's.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::entry::check_name;
use crate::{Queue, QueueError};

/// How often due entries are looked for, over all processes.
const TICK: Duration = Duration::from_millis(100);
/// How many entries one script moves; a larger backlog is moved by several.
const BUDGET: usize = 500;
/// How many scripts one tick sends, so that a step ends even under a flood.
const SCRIPTS_PER_TICK: usize = 20;
const RETIRE_EVERY: Duration = Duration::from_secs(60);
const RETIRE_AFTER: Duration = Duration::from_secs(600);

/// Moves due entries of some pools to their streams.
pub struct Promoter {
    queue: Queue,
    pools: Vec<String>,
    next_retirement: Instant,
}

impl Promoter {
    /// Returns a promoter of the pools this process serves.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] for a pool that cannot be part of a key.
    pub fn new<P: AsRef<str>>(queue: &Queue, pools: &[P]) -> Result<Self, QueueError> {
        for pool in pools {
            check_name("pool", pool.as_ref())?;
        }
        Ok(Self {
            queue: queue.clone(),
            pools: pools.iter().map(|pool| pool.as_ref().to_owned()).collect(),
            next_retirement: Instant::now() + RETIRE_EVERY,
        })
    }

    /// Does one tick for each pool whose tick is free, and returns how many entries became ready.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn step(&mut self) -> Result<usize, QueueError> {
        let mut moved = 0;
        for pool in &self.pools {
            if self.win_tick(pool).await? {
                moved += self.promote(pool).await?;
            }
        }
        if Instant::now() >= self.next_retirement {
            self.next_retirement = Instant::now() + RETIRE_EVERY;
            for pool in &self.pools {
                self.queue.retire_consumers(pool, RETIRE_AFTER).await?;
            }
        }
        Ok(moved)
    }

    /// Steps until `shutdown` is cancelled; errors are logged and the loop goes on.
    pub async fn run(mut self, shutdown: CancellationToken) {
        while !shutdown.is_cancelled() {
            let pause = match self.step().await {
                Ok(moved) => {
                    debug!("Promoted {moved} entries");
                    TICK
                }
                Err(error) => {
                    warn!(%error, "Promoting due entries failed");
                    TICK * 10
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    async fn win_tick(&self, pool: &str) -> Result<bool, QueueError> {
        let mut command = redis::cmd("SET");
        command.arg(self.queue.shared.keys.tick(pool)).arg(1);
        // A little shorter than the tick: a single process must win every one of its own.
        command.arg("NX").arg("PX").arg((TICK * 9 / 10).as_millis().to_string());
        let won: Option<String> = self.queue.shared.connections.query(&command).await?;
        Ok(won.is_some())
    }

    async fn promote(&self, pool: &str) -> Result<usize, QueueError> {
        let mut moved = 0;
        for _ in 0..SCRIPTS_PER_TICK {
            let batch = self.queue.promote(pool, BUDGET).await?;
            moved += batch;
            if batch < BUDGET {
                break;
            }
        }
        Ok(moved)
    }
}
