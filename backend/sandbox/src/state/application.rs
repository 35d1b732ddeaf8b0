//! An application of the open platform with its permissions and counts.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use crate::{
    catalog::{APIS, Api, Package},
    limits::Windows,
    scenario::{self, ApplicationState},
};

const DAY_MS: i64 = 86_400_000;

/// An application and its counters.
#[derive(Debug)]
pub(crate) struct Application {
    pub(crate) config: scenario::Application,
    pub(crate) windows: Windows,
    packages: Vec<Package>,
    quota_day: AtomicI64,
    quota_used: AtomicU64,
}

impl Application {
    pub(crate) fn new(config: scenario::Application) -> Self {
        let packages = config.packages.clone().unwrap_or_else(|| Package::all_of(&config.application_type));
        Self { config, windows: Windows::new(), packages, quota_day: AtomicI64::new(0), quota_used: AtomicU64::new(0) }
    }

    pub(crate) fn may_call(&self, api: &Api) -> bool {
        api.permitted_by(&self.packages)
    }

    /// Returns the API names its tokens may call.
    pub(crate) fn scope(&self) -> Vec<&'static str> {
        APIS.iter().filter(|api| self.may_call(api)).map(|api| api.name).collect()
    }

    /// Counts a call against the daily quota of the test state.
    pub(crate) fn within_test_quota(&self, now_ms: i64) -> bool {
        if self.config.state == ApplicationState::Online {
            return true;
        }
        let day = (now_ms + 8 * 3_600_000).div_euclid(DAY_MS);
        if self.quota_day.swap(day, Ordering::Relaxed) != day {
            self.quota_used.store(0, Ordering::Relaxed);
        }
        self.quota_used.fetch_add(1, Ordering::Relaxed) < self.config.test_daily_quota
    }

    /// Returns how many malls may authorize it.
    pub(crate) fn max_malls(&self) -> usize {
        let default = if self.config.state == ApplicationState::Test { 5 } else { usize::MAX };
        self.config.max_malls.unwrap_or(default)
    }
}
