//! The handle of a process on the queue: scheduling, looking, and everything that is not a consumer.

use std::sync::Arc;
use std::time::Duration;

use chrono::DateTime;
use futures_util::future::try_join_all;
use tokio::sync::Notify;

use crate::connection::Connections;
use crate::entry::check_name;
use crate::keys::Keys;
use crate::script;
use crate::{
    Channels, Consumer, Entry, Limiter, Locks, MemoryPolicy, Placement, PoolStats, QueueConfig, QueueError, Throttle,
    When,
};

/// How many entries one scheduling script handles, so that none of them holds up the server for long.
const SCHEDULE_CHUNK: usize = 500;

/// A process's handle on the queue; clones share their connections.
#[derive(Clone)]
pub struct Queue {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: QueueConfig,
    pub(crate) connections: Connections,
    pub(crate) keys: Keys,
    pub(crate) emptied: Notify,
}

/// Whether Redis still knows what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpochState {
    /// This call began the epoch: Redis was empty, and everything due must be scheduled again.
    Fresh,
    /// Redis has kept its contents since somebody's last [`EpochState::Fresh`].
    Known,
}

impl Queue {
    /// Connects, and fails unless the server answers.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidConfig`] for a configuration that cannot work, [`QueueError::Unavailable`] when the
    /// server does not answer.
    pub async fn connect(config: QueueConfig) -> Result<Self, QueueError> {
        config.check()?;
        let queue = Self {
            shared: Arc::new(Shared {
                connections: Connections::new(&config)?,
                keys: Keys::new(&config.prefix, config.partitions),
                emptied: Notify::new(),
                config,
            }),
        };
        queue.ping().await?;
        Ok(queue)
    }

    /// Returns where the server is, for people; there is no password in it.
    pub fn place(&self) -> &str {
        self.shared.connections.place()
    }

    /// Returns the version the server says it is, such as `7.0.15`.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn server_version(&self) -> Result<String, QueueError> {
        let mut command = redis::cmd("INFO");
        command.arg("server");
        let text: String = self.shared.connections.query(&command).await?;
        let version = text.lines().find_map(|line| line.strip_prefix("redis_version:"));
        let version = version.ok_or_else(|| QueueError::Protocol("INFO server lacks redis_version".into()))?;
        Ok(version.trim().to_owned())
    }

    /// Returns whether the server answers.
    ///
    /// # Errors
    ///
    /// The reason why not.
    pub async fn ping(&self) -> Result<(), QueueError> {
        let _: String = self.shared.connections.query(&redis::cmd("PING")).await?;
        Ok(())
    }

    /// Schedules an entry.
    ///
    /// If it is ready or leased there is no second one; that it shall run again is remembered instead, and a run
    /// that begins after this call satisfies it. Repeating the call is harmless.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn schedule(&self, pool: &str, entry: &Entry, when: When) -> Result<(), QueueError> {
        check_name("pool", pool)?;
        self.schedule_in_partition(pool, self.shared.keys.partition_of(entry), &[(entry, when)]).await
    }

    /// Schedules many entries, all partitions at the same time; as [`Queue::schedule`] for each.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]. Some of the entries may be scheduled by then; repeating the call is harmless.
    pub async fn schedule_many(&self, pool: &str, entries: &[(Entry, When)]) -> Result<(), QueueError> {
        check_name("pool", pool)?;
        let mut by_partition = vec![Vec::new(); self.shared.keys.partitions()];
        for (entry, when) in entries {
            if let Some(part) = by_partition.get_mut(self.shared.keys.partition_of(entry)) {
                part.push((entry, *when));
            }
        }
        let chunks = by_partition.iter().enumerate().flat_map(|(partition, part)| {
            part.chunks(SCHEDULE_CHUNK).map(move |chunk| self.schedule_in_partition(pool, partition, chunk))
        });
        try_join_all(chunks).await?;
        Ok(())
    }

    async fn schedule_in_partition(
        &self,
        pool: &str,
        partition: usize,
        entries: &[(&Entry, When)],
    ) -> Result<(), QueueError> {
        let mut arguments = vec![self.shared.config.group_limit_of(pool).to_string()];
        for (entry, when) in entries {
            arguments.push(entry.as_str().to_owned());
            arguments.push(when.as_millis().to_string());
        }
        let keys = [self.shared.keys.base(partition, pool)];
        let _: i64 = script::SCHEDULE.run(&self.shared.connections, &keys, &arguments).await?;
        Ok(())
    }

    /// Moves entries whose time has come from the due sets to the streams and returns how many.
    ///
    /// [`crate::Promoter`] calls this; at most `budget` entries move, so that the script stays short.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn promote(&self, pool: &str, budget: usize) -> Result<usize, QueueError> {
        check_name("pool", pool)?;
        // The start rotates by chance: under a backlog no partition is always behind the others.
        let first = rand::random_range(0..self.shared.keys.partitions());
        let limit = self.shared.config.group_limit_of(pool);
        let arguments = [limit.to_string(), budget.to_string()];
        script::PROMOTE.run(&self.shared.connections, &self.bases(pool, first), &arguments).await
    }

    /// Returns where each entry is, in the order given.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn placements(&self, pool: &str, entries: &[Entry]) -> Result<Vec<Placement>, QueueError> {
        check_name("pool", pool)?;
        let mut by_partition = vec![(Vec::new(), Vec::new()); self.shared.keys.partitions()];
        for (position, entry) in entries.iter().enumerate() {
            if let Some((positions, names)) = by_partition.get_mut(self.shared.keys.partition_of(entry)) {
                positions.push(position);
                names.push(entry.as_str().to_owned());
            }
        }
        let parts = by_partition.iter().enumerate().filter(|(_, (_, names))| !names.is_empty());
        let answers = try_join_all(parts.map(|(partition, (positions, names))| async move {
            let keys = [self.shared.keys.base(partition, pool)];
            let found: Vec<(i64, i64)> = script::PLACEMENTS.run(&self.shared.connections, &keys, names).await?;
            Ok::<_, QueueError>((positions, found))
        }))
        .await?;
        let mut places = vec![Placement::Absent; entries.len()];
        for (position, found) in answers.into_iter().flat_map(|(p, found)| p.iter().zip(found)) {
            if let Some(place) = places.get_mut(*position) {
                *place = placement(found)?;
            }
        }
        Ok(places)
    }

    /// Returns for each entry whether it is due, ready or leased: the sweep adds only those that are not.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn is_queued_or_leased(&self, pool: &str, entries: &[Entry]) -> Result<Vec<bool>, QueueError> {
        let places = self.placements(pool, entries).await?;
        Ok(places.into_iter().map(|place| place != Placement::Absent).collect())
    }

    /// Returns how much waits and how much runs in a pool.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn stats(&self, pool: &str) -> Result<PoolStats, QueueError> {
        check_name("pool", pool)?;
        let counts: (u64, u64, u64, u64, u64) =
            script::STATS.run(&self.shared.connections, &self.bases(pool, 0), &[pool.to_owned()]).await?;
        Ok(PoolStats::from_counts(pool, counts))
    }

    /// Deletes consumers that have been silent for `idle` and hold nothing, and returns how many records went.
    ///
    /// What a dead consumer held is taken over first, by the living; then its record can go.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn retire_consumers(&self, pool: &str, idle: Duration) -> Result<usize, QueueError> {
        self.retire(pool, "", idle).await
    }

    pub(crate) async fn retire(&self, pool: &str, consumer: &str, idle: Duration) -> Result<usize, QueueError> {
        check_name("pool", pool)?;
        let arguments = [pool.to_owned(), consumer.to_owned(), idle.as_millis().to_string()];
        script::RETIRE_CONSUMERS.run(&self.shared.connections, &self.bases(pool, 0), &arguments).await
    }

    /// Returns whether Redis was emptied since somebody last asked, and begins a new epoch if so.
    ///
    /// Exactly one caller is told [`EpochState::Fresh`] and must schedule everything again. If it dies before it is
    /// through, the 30 s sweep over Postgres finds the rest.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn ensure_epoch(&self) -> Result<EpochState, QueueError> {
        let keys = [self.shared.keys.epoch()];
        let candidate = [uuid::Uuid::now_v7().to_string()];
        let began: i64 = script::EPOCH.run(&self.shared.connections, &keys, &candidate).await?;
        Ok(if began == 1 { EpochState::Fresh } else { EpochState::Known })
    }

    /// Waits until a consumer of this process finds its consumer groups gone.
    ///
    /// That is the first sign of an emptied Redis: the scheduler then calls [`Queue::ensure_epoch`] at once instead
    /// of at its next turn. A sign given while nobody waited is kept.
    pub async fn emptied(&self) {
        self.shared.emptied.notified().await;
    }

    /// Returns what Redis does when its memory is full.
    ///
    /// # Errors
    ///
    /// See [`QueueError`].
    pub async fn check_policy(&self) -> Result<MemoryPolicy, QueueError> {
        // INFO and not CONFIG GET: hosted servers often forbid CONFIG.
        let mut command = redis::cmd("INFO");
        command.arg("memory");
        let text: String = self.shared.connections.query(&command).await?;
        MemoryPolicy::parse(&text)
    }

    /// Returns a consumer of a pool, with a name nobody else has.
    ///
    /// # Errors
    ///
    /// [`QueueError::InvalidName`] for a pool that cannot be part of a key.
    pub fn consumer(&self, pool: &str) -> Result<Consumer, QueueError> {
        check_name("pool", pool)?;
        Ok(Consumer::new(self.clone(), pool))
    }

    /// Returns the rate limiter on the same connections.
    pub fn limiter(&self) -> Limiter {
        Limiter::new(self.clone())
    }

    /// Returns the locks on the same connections.
    pub fn locks(&self) -> Locks {
        Locks::new(self.clone())
    }

    /// Returns the delays that grow with attempts, on the same connections.
    pub fn throttle(&self) -> Throttle {
        Throttle::new(self.clone())
    }

    /// Returns publish and subscribe on the same server.
    pub fn channels(&self) -> Channels {
        Channels::new(self.clone())
    }

    /// The partitions of a pool, beginning with `first`. One node takes them all in one call; a cluster's client
    /// would send the same scripts once per partition, because the keys of a call must share a tag.
    pub(crate) fn bases(&self, pool: &str, first: usize) -> Vec<String> {
        let keys = &self.shared.keys;
        keys.rotation(first).map(|partition| keys.base(partition, pool)).collect()
    }
}

fn placement((kind, due): (i64, i64)) -> Result<Placement, QueueError> {
    match kind {
        0 => Ok(Placement::Absent),
        1 => Ok(Placement::Due(DateTime::from_timestamp_millis(due).unwrap_or_default())),
        2 => Ok(Placement::Ready),
        3 => Ok(Placement::Leased),
        other => Err(QueueError::Protocol(format!("unknown placement {other}").into())),
    }
}
