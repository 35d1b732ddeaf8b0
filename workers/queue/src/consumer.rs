//! Taking work: one consumer per pool and process, one connection that blocks, reads that always end.

use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::lease::LeaseParts;
use crate::script;
use crate::{Entry, Lease, Next, Queue, QueueError};

/// The most entries one call hands out, so that the script behind it stays short.
const LARGEST_TAKE: usize = 500;
/// With so much room a blocking read is worth trying first: it may bring one entry of each stream, and those that there
/// is no room for have to be handed back.
const ROOM: usize = 8;
/// How much later than the server a blocking read gives up, when the connection is dead.
const BLOCK_GRACE: Duration = Duration::from_secs(2);

/// Takes entries of one pool.
///
/// The name is new with each consumer: two processes under one name would lose each other's entries.
pub struct Consumer {
    queue: Queue,
    pool: Arc<str>,
    name: Arc<str>,
    turn: u64,
    /// The partition that is looked at first.
    first: usize,
    /// The stream id with which the visit of that partition ends, as the script says it; empty between two visits.
    visited_to: String,
    next_take_over: Instant,
    /// Whether the last read brought less than there was room for, so that nothing more was ready then.
    drained: bool,
    blocking: Option<MultiplexedConnection>,
}

/// `(position in the keys of the call, counted from 1; stream id; entry)`, as the scripts return it.
type Granted = (usize, String, String);

impl Consumer {
    pub(crate) fn new(queue: Queue, pool: &str) -> Self {
        let partitions = queue.shared.keys.partitions();
        Self {
            queue,
            pool: pool.into(),
            name: uuid::Uuid::now_v7().to_string().into(),
            turn: 0,
            first: rand::random_range(0..partitions),
            visited_to: String::new(),
            next_take_over: Instant::now(),
            drained: false,
            blocking: None,
        }
    }

    /// Returns the name under which Redis lists this consumer.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns the pool this consumer takes from.
    pub fn pool(&self) -> &str {
        &self.pool
    }

    /// Takes up to `max` entries, and if there is none waits up to `block_for` for the first.
    ///
    /// Abandoned entries come first, looked for every quarter of a lease; for that reason a wait is never longer
    /// than that, nor than the configured `longest_block`. No more entries of a group are handed out than its
    /// limit, over all consumers. A caller that drops the future while it waits loses nothing: what Redis delivered
    /// in that moment is taken over when the lease time has passed.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; the loop around this call waits a little and calls it again.
    pub async fn take(&mut self, max: usize, block_for: Duration) -> Result<Vec<Lease>, QueueError> {
        let max = max.min(LARGEST_TAKE);
        if max == 0 {
            return Ok(Vec::new());
        }
        let mut leases = self.take_abandoned(max).await?;
        // Entries that come one at a time are met by the read that waits for them; looking through all streams before it
        // would find nothing and cost as much again.
        let waits_at_once = self.drained && leases.is_empty() && max >= ROOM && !block_for.is_zero();
        if leases.len() < max && !waits_at_once {
            match self.take_ready(max - leases.len()).await {
                Ok(ready) => leases.extend(ready),
                Err(error) if leases.is_empty() => return Err(error),
                // What was taken over is ours already: hand it out, the next call meets the error again.
                Err(error) => warn!(queue.pool = %self.pool, %error, "Reading ready entries failed"),
            }
        }
        if leases.is_empty() && !block_for.is_zero() {
            leases = self.wait(max, block_for).await?;
        }
        Ok(leases)
    }

    /// Removes this consumer's record. What it still holds keeps it alive until others have taken it over.
    ///
    /// # Errors
    ///
    /// See [`QueueError`]; [`crate::Promoter`] removes the record later in any case.
    pub async fn close(self) -> Result<(), QueueError> {
        self.queue.retire(&self.pool, &self.name, Duration::ZERO).await?;
        Ok(())
    }

    async fn take_abandoned(&mut self, max: usize) -> Result<Vec<Lease>, QueueError> {
        if Instant::now() < self.next_take_over {
            return Ok(Vec::new());
        }
        let taken = self.take_over(max, self.lease_ttl()).await?;
        // A full hand may mean that there is more: look again at the next call.
        if taken.len() < max {
            self.next_take_over = Instant::now() + self.lease_ttl() / 4;
        }
        Ok(taken)
    }

    /// Takes over what nobody refreshed for `idle`.
    pub(crate) async fn take_over(&mut self, max: usize, idle: Duration) -> Result<Vec<Lease>, QueueError> {
        let token = self.token();
        let limit = self.queue.shared.config.group_limit_of(&self.pool);
        let arguments = [
            self.pool.to_string(),
            self.name.to_string(),
            token.to_string(),
            max.to_string(),
            self.lease_ttl().as_millis().to_string(),
            idle.as_millis().to_string(),
            limit.to_string(),
        ];
        let keys = self.queue.bases(&self.pool, self.first);
        let taken: Vec<Granted> = script::TAKE_OVER.run(&self.queue.shared.connections, &keys, &arguments).await?;
        let leases = self.leases(taken, &token, Origin::TakenOver);
        if !leases.is_empty() {
            info!(queue.pool = %self.pool, "Took over {} abandoned entries", leases.len());
        }
        Ok(leases)
    }

    async fn take_ready(&mut self, max: usize) -> Result<Vec<Lease>, QueueError> {
        let token = self.token();
        let arguments = [
            self.pool.to_string(),
            self.name.to_string(),
            token.to_string(),
            max.to_string(),
            self.lease_ttl().as_millis().to_string(),
            std::mem::take(&mut self.visited_to),
        ];
        let keys = self.queue.bases(&self.pool, self.first);
        let (created, taken, next, visited_to): (u8, Vec<Granted>, usize, String) =
            script::TAKE.run(&self.queue.shared.connections, &keys, &arguments).await?;
        if created == 1 {
            self.queue.shared.emptied.notify_one();
        }
        self.drained = taken.len() < max;
        self.first = (self.first + next.saturating_sub(1)) % self.queue.shared.keys.partitions();
        self.visited_to = visited_to;
        Ok(self.leases(taken, &token, Origin::Ready))
    }

    /// Blocks on all streams of the pool at once. Redis wakes one reader per entry, so a crowd of processes does not
    /// run for the same one.
    async fn wait(&mut self, max: usize, block_for: Duration) -> Result<Vec<Lease>, QueueError> {
        let bound = block_for
            .min(self.queue.shared.config.longest_block)
            .min(self.lease_ttl() / 4)
            .max(Duration::from_millis(1));
        // The connection is held here and not in `self` while it waits: a dropped future closes it, and the next
        // call does not queue up behind a forgotten read.
        let mut connection = match self.blocking.take() {
            Some(connection) => connection,
            None => self.queue.shared.connections.open_blocking().await?,
        };
        let command = self.blocking_read(bound);
        let read = command.query_async::<Option<StreamReadReply>>(&mut connection);
        let reply = match tokio::time::timeout(bound + BLOCK_GRACE, read).await {
            Ok(Ok(reply)) => reply.unwrap_or_default(),
            // The streams went away while the read waited: the next call creates the groups and finds what is new.
            Ok(Err(error)) if matches!(error.code(), Some("NOGROUP" | "UNBLOCKED")) => {
                self.drained = false;
                self.blocking = Some(connection);
                return Ok(Vec::new());
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(elapsed) => return Err(QueueError::unavailable(elapsed)),
        };
        self.blocking = Some(connection);
        let leases = self.grant(reply).await?;
        self.drained = leases.len() < max;
        self.hand_back_surplus(leases, max).await
    }

    fn blocking_read(&self, bound: Duration) -> redis::Cmd {
        let keys = &self.queue.shared.keys;
        let mut command = redis::cmd("XREADGROUP");
        command.arg("GROUP").arg(&*self.pool).arg(&*self.name);
        command.arg("COUNT").arg(1).arg("BLOCK").arg(bound.as_millis().to_string());
        command.arg("STREAMS");
        for partition in keys.rotation(self.first) {
            command.arg(keys.ready(partition, &self.pool));
        }
        for _ in 0..keys.partitions() {
            command.arg(">");
        }
        command
    }

    /// Turns what a blocking read delivered into leases.
    async fn grant(&mut self, reply: StreamReadReply) -> Result<Vec<Lease>, QueueError> {
        let token = self.token();
        let mut delivered = Vec::new();
        let mut keys = Vec::new();
        let mut arguments = vec![self.pool.to_string(), token.to_string(), self.lease_ttl().as_millis().to_string()];
        for stream in reply.keys {
            let Some(base) = stream.key.strip_suffix("ready") else { continue };
            for item in stream.ids {
                let Some(entry) = item.get::<String>("entry") else { continue };
                keys.push(base.to_owned());
                arguments.extend([item.id.clone(), entry.clone()]);
                delivered.push((item.id, entry));
            }
        }
        if delivered.is_empty() {
            return Ok(Vec::new());
        }
        let positions: Vec<usize> = script::GRANT.run(&self.queue.shared.connections, &keys, &arguments).await?;
        let granted = positions.into_iter().filter_map(|position| {
            let (id, entry) = delivered.get(position.checked_sub(1)?)?.clone();
            Some((position, id, entry))
        });
        Ok(self.leases(granted.collect(), &token, Origin::Ready))
    }

    /// COUNT counts per stream, so a read that began when all streams were empty may still bring more than asked.
    async fn hand_back_surplus(&self, mut leases: Vec<Lease>, max: usize) -> Result<Vec<Lease>, QueueError> {
        let surplus = leases.split_off(leases.len().min(max));
        for lease in surplus {
            // Lost already is as good as handed back.
            let _completion = self.queue.complete(&lease, Next::Now).await?;
        }
        Ok(leases)
    }

    fn leases(&self, granted: Vec<Granted>, token: &Arc<str>, origin: Origin) -> Vec<Lease> {
        let leases: Vec<Lease> = granted
            .into_iter()
            .filter_map(|(_, stream_id, text)| {
                let Some(entry) = Entry::parse(&text) else {
                    warn!(queue.pool = %self.pool, "A stream holds an entry that this queue did not write");
                    return None;
                };
                Some(Lease::new(LeaseParts {
                    queue: self.queue.clone(),
                    pool: Arc::clone(&self.pool),
                    consumer: Arc::clone(&self.name),
                    token: Arc::clone(token),
                    entry,
                    stream_id,
                    taken_over: matches!(origin, Origin::TakenOver),
                }))
            })
            .collect();
        let origin = match origin {
            Origin::Ready => "ready",
            Origin::TakenOver => "taken_over",
        };
        let count = u64::try_from(leases.len()).unwrap_or(u64::MAX);
        counter!("kamiflow_queue_leases_total", "pool" => self.pool.to_string(), "origin" => origin).increment(count);
        leases
    }

    /// New with each call, so that an earlier lease of this consumer cannot act for a later one of the same entry.
    fn token(&mut self) -> Arc<str> {
        self.turn += 1;
        format!("{}#{}", self.name, self.turn).into()
    }

    fn lease_ttl(&self) -> Duration {
        self.queue.shared.config.lease_ttl
    }
}

enum Origin {
    Ready,
    TakenOver,
}
