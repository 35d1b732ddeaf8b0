//! A clock that stands still until a test moves it.

use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use kamiflow_kernel::Clock;
use kamiflow_runtime::clock::SystemClock;

/// A clock that tests move.
#[derive(Debug)]
pub struct ManualClock(Mutex<DateTime<Utc>>);

impl Default for ManualClock {
    /// Starts at the present second: partitions of the schema are made around it.
    fn default() -> Self {
        Self(Mutex::new(SystemClock.now().trunc_subsecs(0)))
    }
}

impl ManualClock {
    /// Moves the clock forward.
    pub fn advance(&self, by: TimeDelta) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now += by;
    }

    /// Returns the moment that much later than the clock's.
    #[must_use]
    pub fn now_plus(&self, by: TimeDelta) -> DateTime<Utc> {
        self.now() + by
    }
}

impl Clock for ManualClock {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
