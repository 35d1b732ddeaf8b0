//! Says when the tables' partitions do not reach three months ahead, which `kamiflow migrate` mends.

use std::time::Duration;

use kamiflow_store::{Store, system};
use tracing::warn;

use super::Chore;
use crate::step::{StepError, Turn};

/// Looks for missing partitions.
pub struct PartitionCheck {
    store: Store,
}

impl PartitionCheck {
    const MONTHS_AHEAD: i32 = 3;

    /// Returns a check.
    #[must_use]
    pub const fn new(store: Store) -> Self {
        Self { store }
    }
}

impl Chore for PartitionCheck {
    const NAME: &'static str = "partition-check";
    const EVERY: Duration = Duration::from_secs(3_600);

    async fn turn(&mut self) -> Result<Turn, StepError> {
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
}
