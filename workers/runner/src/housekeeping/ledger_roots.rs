//! Seals each merchant's settled days of the card ledger with a root.

use std::time::Duration;

use kamiflow_domain::engine::Engine;
use kamiflow_domain::ledger_root;
use kamiflow_store::system;
use tracing::info;

use super::Chore;
use crate::step::{StepError, Turn};

/// Seals days.
pub struct LedgerRoots {
    engine: Engine,
}

impl LedgerRoots {
    /// Returns a sealer.
    #[must_use]
    pub const fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl Chore for LedgerRoots {
    const NAME: &'static str = "ledger-roots";
    const EVERY: Duration = Duration::from_secs(600);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        // Ids of all merchants; each is then looked at in a transaction of its own.
        let mut tx = self.engine.store.system_tx().await?;
        let merchants = system::list_merchants(&mut tx).await?;
        tx.commit().await?;
        for merchant in merchants {
            let ctx = self.engine.ctx("ledger-roots", merchant);
            if let Some(day) = ledger_root::take(&self.engine, &ctx).await? {
                info!(merchant.id = %merchant, "Sealed the card ledger of {day}");
            }
        }
        Ok(Turn::Rest)
    }
}
