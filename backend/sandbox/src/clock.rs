//! The sandbox's clock: real time or a frozen instant, both movable by control.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use crate::scenario::ClockMode;

/// Tells the time of the simulated platform.
#[derive(Debug)]
pub(crate) struct Clock {
    mode: ClockMode,
    offset_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new(mode: ClockMode) -> Self {
        Self { mode, offset_ms: AtomicI64::new(0) }
    }

    /// Returns UNIX milliseconds, including every advance made through control.
    pub(crate) fn now_ms(&self) -> i64 {
        self.unshifted_ms().saturating_add(self.offset_ms.load(Ordering::Relaxed))
    }

    /// Returns UNIX milliseconds as if control had never moved the clock.
    pub(crate) fn unshifted_ms(&self) -> i64 {
        match self.mode {
            ClockMode::Frozen(at_s) => at_s.saturating_mul(1000),
            ClockMode::Real => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .ok()
                .and_then(|elapsed| i64::try_from(elapsed.as_millis()).ok())
                .unwrap_or(0),
        }
    }

    /// Moves the clock by `by_ms` milliseconds and returns the new time.
    pub(crate) fn advance(&self, by_ms: i64) -> i64 {
        self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
        self.now_ms()
    }

    /// Returns whether a signature's timestamp lies within `window_s` seconds of this clock.
    ///
    /// An advance moves the platform's calendar, not the clients' clocks, so a timestamp that fits
    /// the clock without the advance is as good as one that fits it with it.
    pub(crate) fn accepts(&self, timestamp_s: i64, window_s: i64) -> bool {
        [self.now_ms(), self.unshifted_ms()]
            .into_iter()
            .any(|now| (now / 1000).abs_diff(timestamp_s) <= window_s.unsigned_abs())
    }
}
