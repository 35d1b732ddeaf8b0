//! The platform's call limits (protocol 9.1) and the budget that keeps this client below them.
//!
//! The platform limits each API at three levels: per mall, per application, and in total over everybody.
//! A call asks the [`CallBudget`] for all its buckets at once. A bucket is a steady rate with a small
//! burst, so that any window of the platform's, whatever kind it is, sees at most `permits + burst - 1` calls;
//! both together stay below the platform's number.

use std::time::Duration;

use futures_util::future::BoxFuture;
use kamiflow_kernel::{GatewayKind, MallId};

use crate::api::ApiMeta;

pub mod table;

use table::{Level, PLATFORM};

/// A rate all processes share: at most `permits` calls per `per` in the long run, `burst` of them at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Names the bucket; equal for everybody who shares it.
    pub key: String,
    /// Calls per `per`, at least 1.
    pub permits: u32,
    /// The time `permits` calls take.
    pub per: Duration,
    /// Calls that may go at once after a pause, at least 1.
    pub burst: u32,
}

/// There was no room within the time the call could wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no call budget for another {retry_after:?}")]
pub struct Denied {
    /// When there will be.
    pub retry_after: Duration,
}

/// Grants calls. Implemented over Redis, so that all processes share the buckets.
pub trait CallBudget: Send + Sync + 'static {
    /// Takes one permit of every bucket, waiting at most `max_wait`, or takes none.
    fn acquire<'a>(&'a self, buckets: &'a [Bucket], max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>>;
}

/// Grants everything: for benchmarks and tests against a sandbox without limits.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBudget;

impl CallBudget for NoBudget {
    fn acquire<'a>(&'a self, _buckets: &'a [Bucket], _max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

/// How much of the platform's limits this installation uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitPolicy {
    /// Percent of the mall and application limits, 1 to 90; the burst takes up to 10 more.
    pub percent: u32,
    /// Percent of the per-API totals, which we share with every other application on the platform.
    pub total_share_percent: u32,
    /// Divides every limit, for a sandbox with limits scaled down by the same factor.
    pub scale_down: u32,
    /// OTA redemptions per second; their total is 10,000 an hour for everybody.
    pub ota_per_second: u32,
    /// Whether the application runs inside 多多云, where decryption is not held to one call per 10 s.
    pub inside_platform_cloud: bool,
    /// Calls per minute and mall of an API whose limits are not documented.
    pub undocumented_per_minute: u32,
}

impl Default for LimitPolicy {
    fn default() -> Self {
        Self {
            percent: 80,
            total_share_percent: 10,
            scale_down: 1,
            ota_per_second: 1,
            inside_platform_cloud: false,
            undocumented_per_minute: 600,
        }
    }
}

/// Whose call it is.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// Which platform.
    pub gateway: GatewayKind,
    /// The application.
    pub client_id: &'a str,
    /// The mall, for calls with a token.
    pub mall: Option<MallId>,
}

impl LimitPolicy {
    /// Returns the buckets a call of this API takes from.
    #[must_use]
    pub fn buckets(&self, meta: &ApiMeta, caller: Caller<'_>) -> Vec<Bucket> {
        let mut documented = false;
        let mut buckets = Vec::with_capacity(3);
        for limit in PLATFORM.iter().filter(|limit| limit.api == meta.name) {
            if limit.outside_cloud_only && self.inside_platform_cloud {
                continue;
            }
            documented = true;
            // The burst of the stricter of two limits at one level must not be undone by the other's key.
            let suffix = if limit.outside_cloud_only { ":outside" } else { "" };
            let Some(key) = caller.key(limit.level, meta.name) else { continue };
            buckets.push(self.bucket(format!("{key}{suffix}"), limit));
        }
        if meta.name == table::OTA_VERIFICATION {
            let per_second = self.ota_per_second.max(1);
            let key = format!("{}:api:{}", caller.gateway, meta.name);
            return vec![self.steady(key, u64::from(per_second) * 100, Duration::from_secs(1), 1)];
        }
        if !documented && let Some(key) = caller.key(Level::Mall, meta.name) {
            let hundredths = u64::from(self.undocumented_per_minute.max(1)) * 100;
            buckets.push(self.steady(key, hundredths, Duration::from_mins(1), self.undocumented_per_minute / 10));
        }
        buckets
    }

    fn bucket(&self, key: String, limit: &table::Limit) -> Bucket {
        let percent = match limit.level {
            Level::Mall | Level::Application => self.percent.clamp(1, 90),
            Level::Total => self.total_share_percent.clamp(1, 90),
        };
        let hundredths = u64::from(limit.permits) * u64::from(percent);
        self.steady(key, hundredths, Duration::from_secs(limit.seconds), limit.permits.saturating_mul(percent) / 1000)
    }

    /// A bucket of `hundredths` / 100 calls per `per`, scaled; under one call, one call in a longer time.
    fn steady(&self, key: String, hundredths: u64, per: Duration, burst: u32) -> Bucket {
        let divisor = u64::from(self.scale_down.max(1)) * 100;
        let permits = u32::try_from(hundredths / divisor).unwrap_or(u32::MAX);
        let burst = (burst / self.scale_down.max(1)).max(1);
        if permits >= 1 {
            return Bucket { key, permits, per, burst };
        }
        let millis = u128::from(divisor) * per.as_millis() / u128::from(hundredths.max(1));
        let per = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        Bucket { key, permits: 1, per, burst: 1 }
    }
}

impl Caller<'_> {
    fn key(self, level: Level, api: &str) -> Option<String> {
        let Self { gateway, client_id, mall } = self;
        Some(match level {
            Level::Mall => format!("{gateway}:mall:{}:{client_id}:{api}", mall?),
            Level::Application => format!("{gateway}:app:{client_id}:{api}"),
            Level::Total => format!("{gateway}:api:{api}"),
        })
    }
}

#[cfg(test)]
mod tests;
