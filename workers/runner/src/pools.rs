//! The four pools: what an entry of each is, and how it is named.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use kamiflow_queue::QueueConfig;

/// A pool of workers. An entry of the first three is a shop, one of the last a job; its group is the merchant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PoolKind {
    /// Reads orders and after-sales by windows.
    Sync,
    /// Reads hinted orders and delivers.
    Deliver,
    /// Redeems.
    Redeem,
    /// Runs jobs.
    Jobs,
}

/// A name that is no pool.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no pool; pools are sync, deliver, redeem and jobs")]
pub struct UnknownPool(pub String);

impl PoolKind {
    /// Every pool.
    pub const ALL: [Self; 4] = [Self::Sync, Self::Deliver, Self::Redeem, Self::Jobs];

    /// Returns the name that queue, metrics and configuration use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Deliver => "deliver",
            Self::Redeem => "redeem",
            Self::Jobs => "jobs",
        }
    }

    /// Returns after how long a turn is given up. Turns end themselves within seconds; a job may page through
    /// thousands of products.
    pub(crate) const fn longest_turn(self) -> Duration {
        match self {
            Self::Sync | Self::Deliver | Self::Redeem => Duration::from_secs(120),
            Self::Jobs => Duration::from_secs(600),
        }
    }
}

impl fmt::Display for PoolKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for PoolKind {
    type Err = UnknownPool;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|pool| pool.as_str() == name).ok_or_else(|| UnknownPool(name.to_owned()))
    }
}

/// Returns the configuration of the queue that all processes of an installation must share: of one merchant at most
/// `merchant_concurrency` entries of a pool run at once.
#[must_use]
pub fn queue_config(url: &str, prefix: &str, merchant_concurrency: u32) -> QueueConfig {
    QueueConfig { group_limit: merchant_concurrency.max(1), ..QueueConfig::new(url, format!("{prefix}:")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pool_is_found_by_its_name_and_no_other() {
        for pool in PoolKind::ALL {
            assert_eq!(pool.to_string().parse(), Ok(pool));
        }
        assert_eq!("Sync".parse::<PoolKind>(), Err(UnknownPool("Sync".to_owned())));
    }
}
