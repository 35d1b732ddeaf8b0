//! Tells merchants of pools that run low.

use std::time::Duration;

use kamiflow_domain::engine::Engine;
use kamiflow_domain::stock_watch;
use tracing::debug;

use super::Chore;
use crate::step::{StepError, Turn};

/// Looks for pools that have become low.
pub struct StockWatch {
    engine: Engine,
}

impl StockWatch {
    /// Pools of one turn; more follow a minute later.
    const MOST: i32 = 1_000;

    /// Returns a watch.
    #[must_use]
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl Chore for StockWatch {
    const NAME: &'static str = "stock-watch";
    const EVERY: Duration = Duration::from_secs(60);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        for turned in stock_watch::list_pools(&self.engine, Self::MOST).await? {
            let (pool, ctx) = (turned.pool, self.engine.ctx(Self::NAME, turned.merchant));
            match stock_watch::look(&self.engine, &ctx, pool).await {
                Ok(_told) => {}
                Err(error) if error.is_connection_lost() => return Err(error.into()),
                // A pool that is being filled: the next turn sees.
                Err(error) => debug!(pool.id = %pool, %error, "A pool was passed over"),
            }
        }
        Ok(Turn::Rest)
    }
}
