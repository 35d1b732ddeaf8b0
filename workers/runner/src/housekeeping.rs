//! Small loops that keep things in order, one file per subject.
//!
//! All but the figures are a [`Chore`]: work that would only be repeated by a second process. [`Led`] makes a loop of one,
//! which does it in one process at a time. Whatever a chore does is harmless when two processes do it all the same; the
//! lock saves work and proves nothing.
//!
//! # How to add a chore
//! Implement [`Chore`] in a file of its own and start it in `runner` as `Led::new(queue, …)`. A chore that calls the
//! platform plans a job instead: a step is bounded, and calls have budgets of their own.

use std::time::Duration;

use kamiflow_queue::Queue;

use crate::leader::Leader;
use crate::step::{Step, StepError, Turn};

mod backlog_gauge;
mod ledger_roots;
mod partitions;
mod platform_stock;
mod rollups;
mod ship_by;
mod stock;
mod stock_watch;
mod tokens;

pub use backlog_gauge::BacklogGauge;
pub use ledger_roots::LedgerRoots;
pub use partitions::PartitionCheck;
pub use platform_stock::PlatformStockWatch;
pub use rollups::RollupFolder;
pub use ship_by::ShipByWatch;
pub use stock::StockSweep;
pub use stock_watch::StockWatch;
pub use tokens::TokenWatch;

/// How long another process waits until it does the work of one that fell silent, beyond the chore's own pause.
const LEADERSHIP: Duration = Duration::from_secs(30);

/// Work that one process at a time does, again and again.
pub trait Chore: Send + 'static {
    /// The loop's name in logs, metrics, health and its lock.
    const NAME: &'static str;
    /// How long it rests between two turns.
    const EVERY: Duration;

    /// Does one bounded piece of it; it may be dropped in the middle.
    fn turn(&mut self) -> impl Future<Output = Result<Turn, StepError>> + Send;
}

/// The loop of a chore.
pub struct Led<C> {
    chore: C,
    leader: Leader,
}

impl<C: Chore> Led<C> {
    /// Makes a loop of a chore.
    #[must_use]
    pub fn new(queue: &Queue, chore: C) -> Self {
        Self { chore, leader: Leader::new(queue, C::NAME, C::EVERY + LEADERSHIP) }
    }
}

impl<C: Chore> Step for Led<C> {
    fn name(&self) -> String {
        C::NAME.to_owned()
    }

    fn pause(&self) -> Duration {
        C::EVERY
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        if self.leader.is_ours().await? { self.chore.turn().await } else { Ok(Turn::Rest) }
    }

    async fn end(self) {
        self.leader.resign().await;
    }
}
