//! Time as an input: the one way anything learns what time it is.

use chrono::{DateTime, Utc};

/// Tells the time. Production reads the system's clock, tests set their own.
pub trait Clock: Send + Sync + 'static {
    /// Returns the present moment.
    fn now(&self) -> DateTime<Utc>;
}
