//! The log of calls: the latest ones in full, and counts per API and code.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::Mutex,
};

use serde::Serialize;

use crate::state::lock;

const KEPT: usize = 10_000;

/// One call as answered.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct CallRecord {
    pub(crate) at_ms: i64,
    pub(crate) api: String,
    pub(crate) client_id: String,
    pub(crate) mall_id: Option<u64>,
    /// 0, or the main error code.
    pub(crate) code: i64,
    /// Injected fault, where one struck.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) fault: Option<crate::faults::FaultKind>,
    pub(crate) duration_us: u64,
}

#[derive(Debug, Default)]
struct Log {
    latest: VecDeque<CallRecord>,
    by_api: HashMap<String, ApiCount>,
    total: u64,
}

/// Calls of one API.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct ApiCount {
    pub(crate) calls: u64,
    pub(crate) by_code: BTreeMap<i64, u64>,
}

/// Every call since the start.
#[derive(Debug)]
pub(crate) struct CallLog(Mutex<Log>);

impl CallLog {
    pub(crate) fn new() -> Self {
        Self(Mutex::default())
    }

    pub(crate) fn add(&self, record: CallRecord) {
        let mut log = lock(&self.0);
        log.total += 1;
        if !log.by_api.contains_key(&record.api) && log.by_api.len() < 1000 {
            // Names come from clients, so their number is bounded.
            log.by_api.insert(record.api.clone(), ApiCount::default());
        }
        if let Some(count) = log.by_api.get_mut(&record.api) {
            count.calls += 1;
            *count.by_code.entry(record.code).or_default() += 1;
        }
        if log.latest.len() == KEPT {
            log.latest.pop_front();
        }
        log.latest.push_back(record);
    }

    /// Returns the latest calls that match, newest first.
    pub(crate) fn latest(&self, limit: usize, matches: impl Fn(&CallRecord) -> bool) -> Vec<CallRecord> {
        lock(&self.0).latest.iter().rev().filter(|call| matches(call)).take(limit).cloned().collect()
    }

    /// Returns the number of calls and the counts per API.
    pub(crate) fn counts(&self) -> (u64, BTreeMap<String, ApiCount>) {
        let log = lock(&self.0);
        (log.total, log.by_api.iter().map(|(api, count)| (api.clone(), count.clone())).collect())
    }

    /// Forgets everything.
    pub(crate) fn clear(&self) {
        *lock(&self.0) = Log::default();
    }
}
