//! The pool of connections, and the cache of opened data keys.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use diesel::ConnectionError;
use diesel_async::AsyncPgConnection;
use diesel_async::pooled_connection::deadpool::{Object, Pool};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_kernel::{DataKeyId, MerchantId};

use crate::error::StoreError;
use crate::keys::{DataKey, KeyRing};
use crate::tx::{SystemTx, TenantTx};

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

/// Limits every session has (engine.md, Postgres).
const SESSION: &str =
    "-c statement_timeout=30s -c lock_timeout=5s -c idle_in_transaction_session_timeout=15s -c TimeZone=UTC";

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    pool: Pool<AsyncPgConnection>,
    keys: Arc<Keys>,
}

pub(crate) struct Keys {
    pub(crate) ring: KeyRing,
    opened: RwLock<HashMap<DataKeyId, Arc<DataKey>>>,
    active: RwLock<HashMap<MerchantId, DataKeyId>>,
}

impl Store {
    /// Builds the pool; connections are made when they are needed.
    ///
    /// # Errors
    /// When the pool's configuration is unusable.
    pub fn new(config: &StoreConfig, ring: KeyRing) -> Result<Self, StoreError> {
        let mut manager = ManagerConfig::default();
        manager.recycling_method = RecyclingMethod::Fast;
        manager.custom_setup = Box::new(connect);
        let pool =
            Pool::builder(AsyncDieselConnectionManager::<AsyncPgConnection>::new_with_config(&config.url, manager))
                .max_size(config.pool_size)
                .wait_timeout(Some(config.wait))
                .create_timeout(Some(config.wait))
                .runtime(deadpool::Runtime::Tokio1)
                .build()
                .map_err(|error| StoreError::Unavailable(error.to_string()))?;
        let keys = Keys { ring, opened: RwLock::default(), active: RwLock::default() };
        Ok(Self { pool, keys: Arc::new(keys) })
    }

    /// Begins a transaction that sees one merchant's rows. Dropped without a commit, it is rolled back.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn tenant_tx(&self, merchant: MerchantId) -> Result<TenantTx, StoreError> {
        TenantTx::begin(self.connection().await?, Arc::clone(&self.keys), merchant).await
    }

    /// Begins a transaction that sees no tenant's rows and may call the `system_*` functions.
    ///
    /// # Errors
    /// When no connection can be had.
    pub async fn system_tx(&self) -> Result<SystemTx, StoreError> {
        SystemTx::begin(self.connection().await?).await
    }

    async fn connection(&self) -> Result<Object<AsyncPgConnection>, StoreError> {
        self.pool.get().await.map_err(|error| StoreError::Unavailable(error.to_string()))
    }
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("pool", &self.pool.status()).finish_non_exhaustive()
    }
}

impl Keys {
    pub(crate) fn active_of(&self, merchant: MerchantId) -> Option<Arc<DataKey>> {
        let id = *self.active.read().ok()?.get(&merchant)?;
        self.opened_by(id)
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
            active.insert(merchant, key.id());
        }
        key
    }
}

fn connect(url: &str) -> BoxFuture<'_, Result<AsyncPgConnection, ConnectionError>> {
    async move {
        let refuse = |error: tokio_postgres::Error| ConnectionError::BadConnection(error.to_string());
        let mut config: tokio_postgres::Config = url.parse().map_err(refuse)?;
        let given = config.get_options().unwrap_or_default().to_owned();
        config
            .options(format!("{SESSION} {given}"))
            .application_name("kamiflow")
            .connect_timeout(Duration::from_secs(5))
            .tcp_user_timeout(Duration::from_secs(20))
            .keepalives_idle(Duration::from_secs(10));
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.map_err(refuse)?;
        AsyncPgConnection::try_from_client_and_connection(client, connection).await
    }
    .boxed()
}
