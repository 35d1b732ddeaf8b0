//! Rate limits shared by all processes.
//!
//! Each bucket is a GCRA: one number in Redis, the theoretical arrival time (TAT) of the next call. A call names
//! several buckets, say the mall's, the application's and the API's, and one script grants it in all of them or in
//! none. The clock is the server's, so processes need not agree on the time.
//!
//! On a single node any buckets can stand in one call. In a Redis Cluster the keys of a call must share a tag: the
//! tag is the bucket's scope, so scope the buckets of a call by the application's id and split totals over all
//! applications into shares.
//!
//! When Redis was emptied, what was spent is unknown. The limiter notices that the key with its first appearance is
//! young, and buckets it does not know then start without burst instead of with a full one.

use std::collections::HashSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use crate::entry::check_name;
use crate::script;
use crate::{Queue, QueueError};

/// One limit: so many permits per period, so many at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bucket {
    scope: String,
    name: String,
    interval_micros: u64,
    burst: u32,
}

impl Bucket {
    /// Returns a bucket of `count` permits per `period` of which `burst` may be used at once.
    ///
    /// In any stretch of a period at most `count + burst` permits are granted; choose them so that the sum stays
    /// below the platform's own limit. The scope is the hash tag, usually the application's id.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] for a scope or name that cannot be part of a key, [`QueueError::InvalidConfig`]
    /// for a count, period or burst of 0.
    pub fn new(scope: &str, name: &str, rate: Rate) -> Result<Self, QueueError> {
        check_name("limiter scope", scope)?;
        check_name("bucket", name)?;
        let period = u64::try_from(rate.period.as_micros()).unwrap_or(u64::MAX);
        if rate.count == 0 || rate.burst == 0 || period == 0 {
            return Err(QueueError::InvalidConfig(format!("bucket `{name}` would never grant anything")));
        }
        Ok(Self {
            scope: scope.to_owned(),
            name: name.to_owned(),
            // Rounded up: a hair slower than asked is safe, a hair faster is not.
            interval_micros: period.div_ceil(u64::from(rate.count)),
            burst: rate.burst,
        })
    }

    /// Returns the time after which one more permit is there.
    pub fn interval(&self) -> Duration {
        Duration::from_micros(self.interval_micros)
    }
}

/// How fast a bucket refills and how much it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Permits per period.
    pub count: u32,
    /// The period.
    pub period: Duration,
    /// Permits that may be used at once after a quiet time; at least 1.
    pub burst: u32,
}

/// The limiter's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Decision {
    /// Every bucket gave its permits.
    Granted,
    /// No bucket gave anything; the same call can succeed after this time, if nobody else calls before.
    RetryAfter(Duration),
}

/// What a bucket says to who is told how much is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Metered {
    /// Whether there was a permit.
    pub decision: Decision,
    /// Permits that are left now.
    pub left: u32,
    /// After so long without a call the bucket is full again.
    pub full_after: Duration,
}

/// Grants permits from buckets shared by all processes.
#[derive(Clone)]
pub struct Limiter {
    queue: Queue,
}

impl Limiter {
    pub(crate) fn new(queue: Queue) -> Self {
        Self { queue }
    }

    /// Takes one permit from every bucket, or nothing from any.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; without an answer the caller must not call the platform.
    pub async fn acquire(&self, buckets: &[Bucket]) -> Result<Decision, QueueError> {
        self.acquire_many(buckets, 1).await
    }

    /// Takes `permits` from every bucket, or nothing from any.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`]; also [`QueueError::InvalidConfig`] for more permits than a bucket's burst, which
    /// could never be granted, and for a bucket named twice.
    pub async fn acquire_many(&self, buckets: &[Bucket], permits: u32) -> Result<Decision, QueueError> {
        let Some(first) = buckets.first() else {
            return Ok(Decision::Granted);
        };
        check_call(buckets, permits)?;
        let shared = &self.queue.shared;
        let mut keys = vec![shared.keys.limiter_since(&first.scope)];
        let mut arguments = vec![permits.to_string(), shared.config.limiter_settling.as_micros().to_string()];
        for bucket in buckets {
            keys.push(shared.keys.bucket(&bucket.scope, &bucket.name));
            arguments.push(bucket.interval_micros.to_string());
            arguments.push(bucket.burst.to_string());
        }
        let wait: u64 = script::ACQUIRE.run(&shared.connections, &keys, &arguments).await?;
        Ok(match wait {
            0 => Decision::Granted,
            micros => Decision::RetryAfter(Duration::from_micros(micros)),
        })
    }

    /// Takes one permit from one bucket and tells what is left of it: a limit of our own, that callers plan by.
    ///
    /// Other than with [`Limiter::acquire`], a bucket that Redis does not know is full: what keeps us below somebody
    /// else's limit would only keep our own callers out here.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn meter(&self, bucket: &Bucket) -> Result<Metered, QueueError> {
        let shared = &self.queue.shared;
        let keys = [shared.keys.bucket(&bucket.scope, &bucket.name)];
        let arguments = [bucket.interval_micros.to_string(), bucket.burst.to_string()];
        let (wait, left, full): (u64, u32, u64) = script::METER.run(&shared.connections, &keys, &arguments).await?;
        let decision = match wait {
            0 => Decision::Granted,
            micros => Decision::RetryAfter(Duration::from_micros(micros)),
        };
        Ok(Metered { decision, left, full_after: Duration::from_micros(full) })
    }

    /// Decides several independent calls, each all or nothing, in the order given and in about one round trip.
    pub async fn acquire_each(&self, calls: &[Vec<Bucket>]) -> Vec<Result<Decision, QueueError>> {
        join_all(calls.iter().map(|buckets| self.acquire(buckets))).await
    }

    /// Returns a stock of permits for one task that makes the same call many times.
    ///
    /// It fetches `batch` permits at once and gives them out without asking Redis again; what is not used within
    /// `max_age` is forfeited, so that old permits do not pile onto a later burst.
    pub fn prefetch(&self, buckets: Vec<Bucket>, batch: u32, max_age: Duration) -> Prefetch {
        Prefetch {
            limiter: self.clone(),
            batch: buckets.iter().map(|bucket| bucket.burst).fold(batch.max(1), u32::min),
            buckets,
            max_age,
            left: 0,
            fetched: Instant::now(),
        }
    }
}

/// A small stock of permits, fetched several at a time.
pub struct Prefetch {
    limiter: Limiter,
    buckets: Vec<Bucket>,
    batch: u32,
    max_age: Duration,
    left: u32,
    fetched: Instant,
}

impl Prefetch {
    /// Takes one permit, from the stock if there is one.
    ///
    /// # Errors
    ///
    /// As [`Limiter::acquire`].
    pub async fn acquire(&mut self) -> Result<Decision, QueueError> {
        if self.left > 0 && self.fetched.elapsed() < self.max_age {
            self.left -= 1;
            return Ok(Decision::Granted);
        }
        self.left = 0;
        // Taken before the question, so that the stock never looks younger than it is.
        let asked = Instant::now();
        let decision = self.limiter.acquire_many(&self.buckets, self.batch).await?;
        if decision == Decision::Granted {
            self.left = self.batch - 1;
            self.fetched = asked;
        }
        if decision == Decision::Granted || self.batch == 1 {
            return Ok(decision);
        }
        // Not enough for a batch: one may still be there, and its wait is the one that counts.
        self.limiter.acquire(&self.buckets).await
    }
}

fn check_call(buckets: &[Bucket], permits: u32) -> Result<(), QueueError> {
    let mut seen = HashSet::new();
    for bucket in buckets {
        if !seen.insert((&bucket.scope, &bucket.name)) {
            return Err(QueueError::InvalidConfig(format!("bucket `{}` stands twice in one call", bucket.name)));
        }
        if permits == 0 || permits > bucket.burst {
            return Err(QueueError::InvalidConfig(format!(
                "{permits} permits can never come from bucket `{}` with a burst of {}",
                bucket.name, bucket.burst
            )));
        }
    }
    Ok(())
}
