//! Once a day: partitions ahead of time, and the end of old traces.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::retention::RetentionRun;
use kamiflow_store::retention::Patience;
use rand::RngExt as _;
use tracing::{info, warn};

use crate::housekeeping::Chore;
use crate::step::{StepError, Turn};

/// Keeps the database as large as it needs to be.
///
/// The leader does it a few minutes after it became one, and then daily, an hour more or less, so that installations
/// that were started together spread out. What was done half is done by the next run.
pub struct Retention {
    engine: Engine,
    due_at: DateTime<Utc>,
    run: Option<RetentionRun>,
}

impl Retention {
    /// Returns the daily work, first due within the quarter of an hour.
    #[must_use]
    pub fn new(engine: Engine) -> Self {
        let due_at = engine.now() + TimeDelta::seconds(rand::rng().random_range(60..900));
        Self { engine, due_at, run: None }
    }

    fn end(&mut self, run: &RetentionRun) {
        self.due_at = self.engine.now() + TimeDelta::seconds(rand::rng().random_range(82_800..90_000));
        let report = run.report();
        for held in &report.held {
            warn!(retention.class = held.what, "`{}` was left for tomorrow: {}", held.what, held.reason);
        }
        let removed: Vec<&str> = report.removed.iter().map(|removed| removed.what.as_str()).collect();
        if !removed.is_empty() || !report.made.is_empty() {
            info!("Made partitions [{}]; removed old [{}]", report.made.join(", "), removed.join(", "));
        }
        let held = u32::try_from(report.held.len()).unwrap_or(u32::MAX);
        metrics::gauge!("kamiflow_retention_held").set(f64::from(held));
    }
}

impl Chore for Retention {
    const NAME: &'static str = "retention";
    const EVERY: Duration = Duration::from_secs(300);

    async fn turn(&mut self) -> Result<Turn, StepError> {
        let now = self.engine.now();
        if self.run.is_none() && now < self.due_at {
            return Ok(Turn::Rest);
        }
        let policy = self.engine.config.retention;
        // Taken out: a step that was dropped in the middle begins the run anew, which is harmless.
        let mut run =
            self.run.take().unwrap_or_else(|| RetentionRun::begin(&self.engine.store, policy, Patience::Job, now));
        if run.step().await? {
            self.run = Some(run);
            return Ok(Turn::More);
        }
        self.end(&run);
        Ok(Turn::Rest)
    }
}
