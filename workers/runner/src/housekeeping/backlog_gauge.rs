//! Records how much waits in each pool, which the workers are scaled by. Every process does: it is about itself being up.

use std::time::Duration;

use kamiflow_queue::Queue;

use crate::pools::PoolKind;
use crate::step::{Step, StepError, Turn};

/// Records backlogs.
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
