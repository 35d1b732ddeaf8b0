//! Adds the deltas that transactions wrote to the hourly sums of the dashboards.

use std::time::Duration;

use kamiflow_store::{Store, system};

use super::Chore;
use crate::step::{StepError, Turn};

/// Folds deltas into sums.
pub struct RollupFolder {
    store: Store,
}

impl RollupFolder {
    const BATCH: i32 = 5_000;

    /// Returns a folder.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Chore for RollupFolder {
    const NAME: &'static str = "rollup-folder";
    const EVERY: Duration = Duration::from_secs(10);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        // Sums of all merchants at once; the function returns a count.
        let mut tx = self.store.system_tx().await?;
        let folded = system::fold_rollups(&mut tx, Self::BATCH).await?;
        tx.commit().await?;
        Ok(if folded < i64::from(Self::BATCH) { Turn::Rest } else { Turn::More })
    }
}
