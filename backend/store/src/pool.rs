//! The pool of connections, and the cache of opened data keys.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use deadpool::managed::{PoolError, QueueMode, TimeoutType};
use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt as _;
use kamiflow_kernel::{DataKeyId, MerchantId, UserId};

use crate::connection::{SESSION, Target, told};
use crate::error::StoreError;
use crate::keys::{DataKey, KeyRing};
use crate::tx::{SystemTx, TenantTx, UserTx};

/// How to reach Postgres.
#[derive(Clone)]
pub struct StoreConfig {
    /// `postgres://…` as a role without BYPASSRLS.
    pub url: String,
    /// Most connections at once.
    pub pool_size: usize,
    /// How long a caller waits for a connection.
    pub wait: Duration,
}

/// How long a process goes on sealing with a merchant's active data key before it asks again which one that is: an
/// exchange of the key ([`crate::reseal`]) has reached every process after it.
pub(crate) const ACTIVE_KEY_KEPT: Duration = Duration::from_secs(10);

/// Fewer connections than these are not kept apart: with a single one, each page of a thread would wait for the one
/// before.
const FEWEST_APART: usize = 2;

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pools: Arc<Pools>,
    keys: Arc<Keys>,
    place: Arc<str>,
}

/// Connections, shared by all threads or kept apart by thread.
///
/// A connection is driven by the runtime that opened it. On another runtime's thread each statement would wake two threads,
/// and wait until the driving one has finished the page that it is writing.
struct Pools {
    first: Pool<AsyncPgConnection>,
    others: Vec<Pool<AsyncPgConnection>>,
}

thread_local! {
    /// Which pool the thread uses, of as many as there are.
    static SEAT: Cell<usize> = const { Cell::new(0) };
}

/// Gives this thread connections that no other one uses, in every store that keeps them apart
/// ([`Store::for_threads`]). To be called once on each thread that is a runtime of its own, as a web server's are.
pub fn settle_thread() {
    static SEATS: AtomicUsize = AtomicUsize::new(0);
    SEAT.set(SEATS.fetch_add(1, Ordering::Relaxed));
}

/// How the connections of a process are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolUse {
    /// Most connections at once.
    pub most: usize,
    /// Connections that are open.
    pub open: usize,
    /// Those of the open ones that nobody uses.
    pub idle: usize,
    /// Callers that wait for one.
    pub waiting: usize,
}

pub(crate) struct Keys {
    pub(crate) ring: KeyRing,
    opened: RwLock<HashMap<DataKeyId, Arc<DataKey>>>,
    active: RwLock<HashMap<MerchantId, (DataKeyId, Instant)>>,
}

impl Store {
    /// Builds the pool; connections are made when they are needed.
    ///
    /// # Errors
    /// When the pool's configuration is unusable.
    pub fn new(config: &StoreConfig, ring: KeyRing) -> Result<Self, StoreError> {
        Self::for_threads(config, ring, 1)
    }

    /// Builds a store whose connections are kept apart by so many threads, each of which is a runtime of its own and has
    /// been settled ([`settle_thread`]). Fewer share them where there are few connections.
    ///
    /// # Errors
    /// As [`Store::new`].
    pub fn for_threads(config: &StoreConfig, ring: KeyRing, threads: usize) -> Result<Self, StoreError> {
        let target = Arc::new(Target::parse(&config.url, SESSION)?);
        let place = target.place().into();
        let pools = (config.pool_size / FEWEST_APART).clamp(1, threads.max(1));
        let open = |most| open_pool(config, &target, most);
        // Of connections that cannot be shared out evenly the first pool, which all other threads use, has the rest.
        let each = config.pool_size / pools;
        let first = open(config.pool_size - each * (pools - 1))?;
        let others = (1..pools).map(|_| open(each)).collect::<Result<_, _>>()?;
        let keys = Keys { ring, opened: RwLock::default(), active: RwLock::default() };
        Ok(Self { pools: Arc::new(Pools { first, others }), keys: Arc::new(keys), place })
    }

    /// Begins a transaction that sees one merchant's rows. Dropped without a commit, it is rolled back.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn tenant_tx(&self, merchant: MerchantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin(self.connection().await?, Arc::clone(&self.keys), merchant).await
    }

    /// Begins a transaction as [`Store::tenant_tx`] does, for pages of what an index holds in order.
    ///
    /// Statements are planned once for any values: planning over every month's partition takes longer than reading a page.
    /// And what an index gives in order is not sorted instead: a merchant's rows are named twice, by the statement and by
    /// the policy, so the planner takes them for few and would rather read and sort all of them.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn listing_tx(&self, merchant: MerchantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin_listing(self.connection().await?, Arc::clone(&self.keys), merchant).await
    }

    /// Reads in a transaction of [`Store::listing_tx`], and ends it. What `read` sends first goes with the beginning.
    ///
    /// # Errors
    /// When no connection can be had, or reading fails.
    pub async fn list<T>(
        &self,
        merchant: MerchantId,
        read: impl AsyncFnOnce(&TenantTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let (tx, found) =
            TenantTx::begin_list(self.connection().await?, Arc::clone(&self.keys), merchant, read).await?;
        tx.commit().await?;
        Ok(found)
    }

    /// Reads in a transaction of [`Store::tenant_tx`] that begins, reads and ends in one round trip: `read` sends all its
    /// statements at once, and one that it sends later is refused.
    ///
    /// # Errors
    /// When no connection can be had, or reading fails.
    pub async fn read_at_once<T>(
        &self,
        merchant: MerchantId,
        read: impl AsyncFnOnce(&TenantTx) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        TenantTx::read_at_once(self.connection().await?, Arc::clone(&self.keys), merchant, read).await
    }

    /// Begins a transaction as [`Store::tenant_tx`] does, with the merchant's pauses kept as they are until it ends
    /// ([`crate::pauses::keep`]).
    ///
    /// # Errors
    /// When no connection can be had, or somebody who sets or ends a pause takes too long.
    pub async fn tenant_tx_keeping_pauses(&self, merchant: MerchantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin_keeping_pauses(self.connection().await?, Arc::clone(&self.keys), merchant).await
    }

    /// Begins a transaction of a merchant, or of the platform, that sees one user's own rows as well.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn user_tx(&self, merchant: MerchantId, user: UserId) -> Result<UserTx, StoreError> {
        UserTx::begin(self.connection().await?, Arc::clone(&self.keys), merchant, user).await
    }

    /// Begins a transaction that sees no tenant's rows and may call the `system_*` functions.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn system_tx(&self) -> Result<SystemTx, StoreError> {
        SystemTx::begin(self.connection().await?).await
    }

    /// Returns what [`Store::system_tx`] does, for a single statement: it is its own transaction, and two round trips are
    /// spared on every request that asks who somebody is.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn system_statement(&self) -> Result<SystemTx, StoreError> {
        Ok(SystemTx::of_one_statement(self.connection().await?))
    }

    /// Returns `user@host:port/database`, for people; there is no password in it.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.place
    }

    /// Closes the connections that nobody uses. Those that a program opened while it started belong to its main thread's
    /// runtime, and would be used by another thread's from then on.
    pub fn close_idle(&self) {
        for pool in self.pools.all() {
            let _closed = pool.retain(|_, _| false);
        }
    }

    /// Returns how the connections are used.
    #[must_use]
    pub fn pool_use(&self) -> PoolUse {
        let mut sum = PoolUse { most: 0, open: 0, idle: 0, waiting: 0 };
        for status in self.pools.all().map(Pool::status) {
            sum.most += status.max_size;
            sum.open += status.size;
            sum.idle += status.available;
            sum.waiting += status.waiting;
        }
        sum
    }

    /// Returns the master keys of this process.
    pub(crate) fn key_ring(&self) -> &KeyRing {
        &self.keys.ring
    }

    async fn connection(&self) -> Result<Object<AsyncPgConnection>, StoreError> {
        self.pools.of_thread().get().await.map_err(|error| self.unavailable(error))
    }

    fn unavailable(&self, error: PoolError<diesel_async::pooled_connection::PoolError>) -> StoreError {
        let place = &self.place;
        StoreError::Unavailable(match error {
            PoolError::Backend(diesel_async::pooled_connection::PoolError::ConnectionError(
                ConnectionError::BadConnection(cause),
            )) => cause,
            PoolError::Timeout(TimeoutType::Wait) => {
                format!(
                    "{place}: all {} connections of this thread are in use",
                    self.pools.of_thread().status().max_size
                )
            }
            PoolError::Timeout(_) => format!("{place}: no answer in time"),
            other => format!("{place}: {}", told(&other)),
        })
    }
}

impl Pools {
    fn all(&self) -> impl Iterator<Item = &Pool<AsyncPgConnection>> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// Returns the pool of the present thread.
    fn of_thread(&self) -> &Pool<AsyncPgConnection> {
        let seat = SEAT.get() % (self.others.len() + 1);
        seat.checked_sub(1).and_then(|other| self.others.get(other)).unwrap_or(&self.first)
    }
}

fn open_pool(config: &StoreConfig, target: &Arc<Target>, most: usize) -> Result<Pool<AsyncPgConnection>, StoreError> {
    let target = Arc::clone(target);
    let mut manager = ManagerConfig::default();
    manager.recycling_method = RecyclingMethod::Fast;
    manager.custom_setup = Box::new(move |_url| {
        let target = Arc::clone(&target);
        async move { target.connect().await }.boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(&config.url, manager))
        .max_size(most)
        // The connection used last has its plans made and its caches warm; the others may rest.
        .queue_mode(QueueMode::Lifo)
        .wait_timeout(Some(config.wait))
        .create_timeout(Some(config.wait))
        .runtime(deadpool::Runtime::Tokio1)
        .build()
        .map_err(|error| StoreError::Unavailable(error.to_string()))
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool_use()).finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn active_of(&self, merchant: MerchantId) -> Option<Arc<DataKey>> {
        let (id, read_at) = *self.active.read().ok()?.get(&merchant)?;
        if read_at.elapsed() > ACTIVE_KEY_KEPT { None } else { self.opened_by(id) }
    }

    pub(crate) fn opened_by(&self, id: DataKeyId) -> Option<Arc<DataKey>> {
        self.opened.read().ok()?.get(&id).cloned()
    }

    pub(crate) fn remember(&self, merchant: MerchantId, key: DataKey, active: bool) -> Arc<DataKey> {
        let key = Arc::new(key);
        if let Ok(mut opened) = self.opened.write() {
            opened.insert(key.id(), Arc::clone(&key));
        }
        if active && let Ok(mut active) = self.active.write() {
            active.insert(merchant, (key.id(), Instant::now()));
        }
        key
    }
}
