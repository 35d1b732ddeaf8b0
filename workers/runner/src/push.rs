//! Listens to the platform's message push: one connection per application, applications shared out among processes.
//!
//! Applications are cut into 16 ranges by their id, and a range belongs to the process that holds its lock. A process
//! takes a few free ranges at a time, so that processes that start together share them; it gives them back when it
//! stops, and they expire when it dies. Two listeners of one application for a while are harmless: a hint twice is
//! one hint. While Redis is away everybody keeps what it has, because hints need Postgres only.
//!
//! A message becomes a hint in Postgres, then it is acknowledged, then the shop is woken ([`hints`]). A lost wake is
//! found by the sweep, a message that was not acknowledged comes again.

mod hints;
mod owners;

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{ApplicationId, GatewayKind, SecretText};
use kamiflow_pinduoduo::AppKeys;
use kamiflow_pinduoduo::push::{self, PushConfig, PushListener};
use kamiflow_queue::{Locks, Queue};
use kamiflow_store::system::{self, PushApplication};
use kamiflow_store::{StoreError, applications, shops};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};
use url::Url;

use self::hints::HintWriter;
use crate::step::{Step, StepError, Turn};
use crate::waker::Waker;

/// Into how many ranges applications are cut; more than there are ever processes that listen.
const RANGES: u8 = 16;
/// Free ranges a process takes per turn.
const RANGES_PER_TURN: usize = 4;
/// How long a range stays with a process that fell silent.
const RANGE_TTL: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_secs(10);
/// The pause while there are ranges to take.
const WHILE_TAKING: Duration = Duration::from_millis(250);
/// How often the list of applications is read.
const LIST_EVERY: Duration = Duration::from_secs(30);
/// Refused connections after which an application's secret is read again: it may have been changed.
const DOUBT_SECRET_AFTER: u64 = 3;

/// Where and how much to listen; from server configuration only.
#[derive(Debug, Clone)]
pub struct PushSettings {
    /// The push server of each gateway; a gateway without one is polled only.
    pub urls: HashMap<GatewayKind, Url>,
    /// Most connections of this process.
    pub max_sockets: usize,
}

impl PushSettings {
    /// Returns the settings for one gateway's push server, with at most 2,000 connections.
    #[must_use]
    pub fn new(gateway: GatewayKind, url: Url) -> Self {
        Self { urls: HashMap::from([(gateway, url)]), max_sockets: 2_000 }
    }
}

/// The push connections of this process.
pub struct PushListeners {
    engine: Engine,
    settings: PushSettings,
    locks: Locks,
    holder: String,
    hints: HintWriter,
    owned: BTreeSet<u8>,
    listed: Vec<PushApplication>,
    list_at: Instant,
    listening: HashMap<ApplicationId, Listening>,
    took: bool,
}

struct Listening {
    listener: PushListener,
    stop: CancellationToken,
    sealed_secret: Vec<u8>,
    failures_seen: u64,
}

impl PushListeners {
    /// Returns listeners that have no connection yet.
    #[must_use]
    pub fn new(engine: Engine, queue: &Queue, settings: PushSettings) -> Self {
        Self {
            hints: HintWriter::start(engine.clone(), Waker::new(queue)),
            engine,
            settings,
            locks: queue.locks(),
            holder: uuid::Uuid::now_v7().to_string(),
            owned: BTreeSet::new(),
            listed: Vec::new(),
            list_at: Instant::now(),
            listening: HashMap::new(),
            took: false,
        }
    }

    async fn list(&mut self) -> Result<(), StepError> {
        if Instant::now() < self.list_at {
            return Ok(());
        }
        // Which applications have shops, of all owners; each secret is opened in its owner's own transaction.
        let mut tx = self.engine.store.system_tx().await?;
        let listed = system::list_push_applications(&mut tx).await?;
        tx.commit().await?;
        self.listed = listed.into_iter().filter(|one| self.settings.urls.contains_key(&one.gateway)).collect();
        self.list_at = Instant::now() + LIST_EVERY;
        Ok(())
    }

    /// Extends what is owned, and takes a few ranges more while there is room.
    async fn hold_ranges(&mut self) -> Result<(), StepError> {
        let mut lost = Vec::new();
        for range in &self.owned {
            if !self.locks.try_lease(&lock_name(*range), &self.holder, RANGE_TTL).await? {
                lost.push(*range);
            }
        }
        for range in lost {
            info!(push.range = range, "Another process listens for a range of applications now");
            self.owned.remove(&range);
        }
        let mut taken = 0;
        for range in (0..RANGES).filter(|range| !self.owned.contains(range)).collect::<Vec<_>>() {
            let more = self.sockets_of(|owned| owned == range || self.owned.contains(&owned));
            // A first range that is too large for anybody is better cut off than left alone.
            let fits = more <= self.settings.max_sockets || self.owned.is_empty();
            if taken < RANGES_PER_TURN
                && fits
                && self.locks.try_lease(&lock_name(range), &self.holder, RANGE_TTL).await?
            {
                self.owned.insert(range);
                taken += 1;
            }
        }
        self.took = taken > 0;
        Ok(())
    }

    fn sockets_of(&self, wanted: impl Fn(u8) -> bool) -> usize {
        self.listed.iter().filter(|one| wanted(range_of(one.application))).count()
    }

    /// Starts and stops connections until they are those of the owned ranges.
    async fn reconcile(&mut self) -> Result<(), StepError> {
        let wanted: HashMap<ApplicationId, PushApplication> = self
            .listed
            .iter()
            .filter(|one| self.owned.contains(&range_of(one.application)))
            .take(self.settings.max_sockets)
            .map(|one| (one.application, *one))
            .collect();
        let unwanted: Vec<ApplicationId> =
            self.listening.keys().filter(|id| !wanted.contains_key(id)).copied().collect();
        self.stop_listening(unwanted).await;
        for (id, application) in &wanted {
            match self.keys_to_listen_with(application).await {
                Ok(Some((keys, sealed))) => {
                    self.stop_listening(vec![*id]).await;
                    self.listen(application, keys, sealed);
                }
                Ok(None) => {}
                Err(error) if error.is_connection_lost() => return Err(error.into()),
                Err(cause) => {
                    let error: &dyn Error = &cause;
                    warn!(application.id = %id, error, "Cannot listen for application `{id}`");
                }
            }
        }
        let count = u32::try_from(self.listening.len()).unwrap_or(u32::MAX);
        metrics::gauge!("kamiflow_push_sockets").set(f64::from(count));
        Ok(())
    }

    /// Returns keys for an application that nobody listens for yet, or whose secret has changed.
    async fn keys_to_listen_with(
        &mut self,
        application: &PushApplication,
    ) -> Result<Option<(AppKeys, Vec<u8>)>, StoreError> {
        let known = match self.listening.get_mut(&application.application) {
            None => None,
            Some(listening) => {
                let status = listening.listener.status();
                let failing = status.connected_since.is_none();
                if !failing || status.failures < listening.failures_seen + DOUBT_SECRET_AFTER {
                    return Ok(None);
                }
                listening.failures_seen = status.failures;
                Some(listening.sealed_secret.clone())
            }
        };
        let mut tx = self.engine.store.tenant_tx(application.owner).await?;
        let row = applications::fetch(&mut tx, application.application).await?;
        let key = tx.data_key_by_id(row.data_key_id).await?;
        tx.commit().await?;
        if known.is_some_and(|sealed| sealed == row.client_secret_sealed) {
            return Ok(None);
        }
        let secret = key.open(shops::CLIENT_SECRET, row.id.as_uuid(), &row.client_secret_sealed)?;
        let secret = String::from_utf8(secret.expose().to_vec())
            .map_err(|_bytes| StoreError::Corrupt("an application's secret is not text".to_owned()))?;
        Ok(Some((AppKeys::new(&row.client_id, SecretText::new(secret)), row.client_secret_sealed)))
    }

    fn listen(&mut self, application: &PushApplication, keys: AppKeys, sealed_secret: Vec<u8>) {
        let Some(url) = self.settings.urls.get(&application.gateway) else { return };
        let sink = self.hints.sink(application.gateway);
        // Not a child of the process's token: the connection ends when its range is given back.
        let stop = CancellationToken::new();
        let config = PushConfig::new(url.clone(), keys);
        let clock = Arc::clone(&self.engine.clock);
        let listener = push::connect(config, clock, Arc::new(sink), stop.clone());
        info!(application.id = %application.application, "Listening for application `{}`", application.application);
        let listening = Listening { listener, stop, sealed_secret, failures_seen: 0 };
        self.listening.insert(application.application, listening);
    }

    async fn stop_listening(&mut self, ids: Vec<ApplicationId>) {
        let stopping: Vec<Listening> = ids.iter().filter_map(|id| self.listening.remove(id)).collect();
        for listening in &stopping {
            listening.stop.cancel();
        }
        join_all(stopping.into_iter().map(|listening| listening.listener.stopped())).await;
    }
}

fn lock_name(range: u8) -> String {
    format!("push-range:{range:02}")
}

/// The last bits of an id are random, so applications spread evenly.
fn range_of(application: ApplicationId) -> u8 {
    u8::try_from(application.as_uuid().as_u128() % u128::from(RANGES)).unwrap_or(0)
}

impl Step for PushListeners {
    fn name(&self) -> String {
        "push-listeners".to_owned()
    }

    fn pause(&self) -> Duration {
        if self.took { WHILE_TAKING } else { EVERY }
    }

    async fn step(&mut self) -> Result<Turn, StepError> {
        self.list().await?;
        let held = self.hold_ranges().await;
        self.reconcile().await?;
        held?;
        Ok(Turn::Rest)
    }

    async fn end(mut self) {
        let all = self.listening.keys().copied().collect();
        self.stop_listening(all).await;
        for range in &self.owned {
            if let Err(error) = self.locks.release(&lock_name(*range), &self.holder).await {
                debug!(%error, "Range {range} was not given back and will expire");
            }
        }
    }
}

#[cfg(test)]
mod tests;
