//! Rate limits: fixed windows per mall, per application and per API in total.
//!
//! The platform documents numbers but neither the window's kind nor which level answers which
//! code. Here the mall and application levels answer 70031 and the API level 52101.

use std::sync::{
    Mutex,
    atomic::{AtomicI64, AtomicU64, Ordering},
};

use crate::{catalog::API_COUNT, scenario};

/// At most `calls` in `window_s` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limit {
    pub(crate) calls: u32,
    pub(crate) window_s: i64,
}

/// Counts of one subject (a mall, an application, or everybody), one window per API.
#[derive(Debug)]
pub(crate) struct Windows {
    windows: Vec<Window>,
}

#[derive(Debug, Default)]
struct Window {
    started_s: AtomicI64,
    calls: AtomicU64,
}

impl Windows {
    pub(crate) fn new() -> Self {
        Self { windows: (0..API_COUNT).map(|_| Window::default()).collect() }
    }

    /// Counts a call and returns whether it is within the limit.
    ///
    /// Two threads that open the same window at once may lose one count, which no client can tell
    /// from the platform's own imprecision.
    pub(crate) fn admits(&self, api: usize, limit: Limit, factor: f64, now_s: i64) -> bool {
        let Some(window) = self.windows.get(api) else { return true };
        let start = now_s - now_s.rem_euclid(limit.window_s.max(1));
        if window.started_s.swap(start, Ordering::Relaxed) != start {
            window.calls.store(0, Ordering::Relaxed);
        }
        let permitted = (f64::from(limit.calls) * factor).floor().max(1.0);
        let counted = window.calls.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        u32::try_from(counted).is_ok_and(|counted| f64::from(counted) <= permitted)
    }

    /// Forgets all counts.
    pub(crate) fn reset(&self) {
        for window in &self.windows {
            window.calls.store(0, Ordering::Relaxed);
        }
    }
}

/// The limits in force, which control can change.
#[derive(Debug)]
pub(crate) struct LimitSwitch(Mutex<scenario::Limits>);

impl LimitSwitch {
    pub(crate) fn new(limits: scenario::Limits) -> Self {
        Self(Mutex::new(limits))
    }

    /// Returns the factor, or `None` when limits are off.
    pub(crate) fn factor(&self) -> Option<f64> {
        let limits = *crate::state::lock(&self.0);
        limits.enabled.then_some(limits.factor)
    }

    pub(crate) fn set(&self, limits: scenario::Limits) {
        *crate::state::lock(&self.0) = limits;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_admits_its_calls_and_starts_again() {
        let windows = Windows::new();
        let limit = Limit { calls: 100, window_s: 10 };
        let admitted = (0..7).filter(|_| windows.admits(0, limit, 0.05, 1000)).count();
        assert_eq!(admitted, 5);
        assert!(!windows.admits(0, limit, 0.05, 1009));
        assert!(windows.admits(1, limit, 0.05, 1009));
        assert!(windows.admits(0, limit, 0.05, 1010));
    }

    #[test]
    fn a_tiny_factor_still_admits_one_call() {
        let windows = Windows::new();
        let limit = Limit { calls: 1, window_s: 1 };
        assert!(windows.admits(0, limit, 0.001, 5));
        assert!(!windows.admits(0, limit, 0.001, 5));
    }
}
