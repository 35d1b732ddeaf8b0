//! Cares for the platform's own stock: settles imports whose process died, and has low stock filled up.

use std::time::Duration;

use kamiflow_domain::engine::Engine;
use kamiflow_domain::{top_up, upload_cards};
use kamiflow_queue::Queue;

use super::Chore;
use crate::step::{StepError, Turn};
use crate::waker::Waker;

/// Watches imports and levels.
pub struct PlatformStockWatch {
    engine: Engine,
    waker: Waker,
}

impl PlatformStockWatch {
    const MOST: i32 = 500;

    /// Returns a watch.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue) -> Self {
        Self { engine, waker: Waker::new(queue) }
    }
}

impl Chore for PlatformStockWatch {
    const NAME: &'static str = "platform-stock-watch";
    const EVERY: Duration = Duration::from_secs(30);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        // First what is unknown: no more cards go where an import has an unknown outcome.
        upload_cards::sweep(&self.engine, Self::MOST).await?;
        for (merchant, wake) in top_up::watch(&self.engine, Self::MOST).await? {
            self.waker.wake(merchant, &[wake]).await;
        }
        Ok(Turn::Rest)
    }
}
