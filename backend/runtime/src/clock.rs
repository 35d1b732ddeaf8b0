//! The system's clock, the only implementation of [`Clock`] outside tests.

use chrono::{DateTime, Utc};
use kamiflow_kernel::Clock;

/// Reads the clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where time enters the program")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
