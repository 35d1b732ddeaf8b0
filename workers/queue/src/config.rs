//! What a process must know to reach Redis.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::QueueError;

/// How to reach Redis and how the queue behaves.
///
/// Every process that shares a prefix must use the same number of partitions.
#[derive(Clone, Debug)]
pub struct QueueConfig {
    /// `redis://[user:password@]host:port/db`, `rediss://…` for TLS, `redis+unix:///path` or `unix:///path`.
    pub url: String,
    /// The authorities that may have issued the certificate of a `rediss://` server, as PEM; else the public ones.
    pub ca_pem: Option<String>,
    /// What every key and channel begins with, so that several installations or tests share a server.
    pub prefix: String,
    /// Into how many parts each pool is cut; entries of one group are always in the same part.
    pub partitions: usize,
    /// How long an entry stays with a consumer that stopped refreshing it.
    pub lease_ttl: Duration,
    /// How many entries of one group may be handed out at once in a pool without its own limit.
    pub group_limit: u32,
    /// Limits of single pools, by name.
    pub pool_group_limits: BTreeMap<String, u32>,
    /// How many connections carry commands; each is shared by many tasks.
    pub connections: usize,
    /// How long connecting, or waiting for a connection, may take.
    pub connect_timeout: Duration,
    /// How long an answer to a command that does not block may take.
    pub response_timeout: Duration,
    /// The longest time a read blocks, whatever the caller asks for.
    pub longest_block: Duration,
    /// How old a limiter must be before a bucket unknown to it starts with its full burst.
    pub limiter_settling: Duration,
}

impl QueueConfig {
    /// Returns the defaults for a server and a prefix.
    pub fn new(url: impl Into<String>, prefix: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            ca_pem: None,
            prefix: prefix.into(),
            partitions: 64,
            lease_ttl: Duration::from_secs(30),
            group_limit: 8,
            pool_group_limits: BTreeMap::new(),
            connections: 4,
            connect_timeout: Duration::from_secs(2),
            response_timeout: Duration::from_secs(2),
            longest_block: Duration::from_secs(5),
            limiter_settling: Duration::from_secs(60),
        }
    }

    /// Returns where the server is, for people, without any password; what the URL means where it cannot be read.
    pub fn place(&self) -> String {
        crate::connection::parse_url(&self.url, self.ca_pem.as_deref())
            .map_or_else(|_unusable| "an unusable address".to_owned(), |info| crate::connection::place_of(&info))
    }

    pub(crate) fn group_limit_of(&self, pool: &str) -> u32 {
        self.pool_group_limits.get(pool).copied().unwrap_or(self.group_limit)
    }

    pub(crate) fn check(&self) -> Result<(), QueueError> {
        let refuse = |reason: &str| Err(QueueError::InvalidConfig(reason.to_owned()));
        if self.prefix.is_empty() || self.prefix.contains(['{', '}', '*', '?', '[', ' ']) {
            return refuse("the prefix must not be empty or contain { } * ? [ or a space");
        }
        if !(1..=100).contains(&self.partitions) {
            return refuse("partitions must lie between 1 and 100");
        }
        if self.lease_ttl < Duration::from_millis(20) {
            return refuse("the lease must last at least 20 ms");
        }
        if self.group_limit == 0 || self.pool_group_limits.values().any(|limit| *limit == 0) {
            return refuse("a group limit of 0 would hand out nothing");
        }
        if self.connections == 0 {
            return refuse("at least one connection is needed");
        }
        Ok(())
    }
}
