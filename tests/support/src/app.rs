//! The product on a database of its own.

use std::sync::Arc;
use std::time::Duration;

use kamiflow_domain::engine::{Engine, EngineConfig};
use kamiflow_kernel::{MerchantId, SecretBytes};
use kamiflow_store::merchants::NewMerchant;
use kamiflow_store::{KeyRing, Store, StoreConfig, merchants};
use uuid::Uuid;

use crate::actors::Merchant;
use crate::clock::ManualClock;
use crate::database::{self, TestDatabase};
use crate::market::ScriptedMarket;
use crate::raw::RawSql;
use crate::servers::Servers;

/// The product, as the application role, with a clock that stands still and a scripted platform.
pub struct TestApp {
    /// What use cases take.
    pub engine: Engine,
    /// The engine's clock.
    pub clock: Arc<ManualClock>,
    /// The engine's platform.
    pub market: Arc<ScriptedMarket>,
    /// The database; last, so that connections end before it is dropped.
    pub database: TestDatabase,
}

impl TestApp {
    /// Starts one.
    pub async fn new() -> Self {
        let database = TestDatabase::migrated().await;
        let (clock, market) = (Arc::new(ManualClock::default()), Arc::new(ScriptedMarket::default()));
        let engine = Engine {
            store: store(&database, Self::key_ring(&["m1"], "m1")),
            market: market.clone(),
            clock: clock.clone(),
            config: Arc::new(EngineConfig::default()),
        };
        Self { engine, clock, market, database }
    }

    /// Returns the store.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.engine.store
    }

    /// Returns another store on the same database: another process, with its own caches and keys.
    #[must_use]
    pub fn another_store(&self, ring: KeyRing) -> Store {
        store(&self.database, ring)
    }

    /// Returns a key ring whose keys are made from their names.
    #[must_use]
    pub fn key_ring(names: &[&str], active: &str) -> KeyRing {
        let keys = names.iter().map(|name| {
            let bytes = name.bytes().cycle().take(32).collect();
            ((*name).to_owned(), SecretBytes::new(bytes))
        });
        KeyRing::new(keys, active).unwrap()
    }

    /// Returns the URL of Redis and a prefix of this test's own.
    pub async fn redis(&self) -> (String, String) {
        (Servers::get().await.redis_url.clone(), format!("test-{}", Uuid::now_v7().simple()))
    }

    /// Signs a merchant up.
    pub async fn merchant(&self) -> Merchant<'_> {
        let id = MerchantId::generate();
        let mut tx = self.store().tenant_tx(id).await.unwrap();
        merchants::insert(&mut tx, &NewMerchant { name: "测试商家", poll_floor_s: 15 }).await.unwrap();
        tx.commit().await.unwrap();
        Merchant::new(self, id)
    }

    /// Connects as the application role, bound to a merchant or to none.
    pub async fn sql_as(&self, merchant: Option<MerchantId>) -> RawSql {
        RawSql::bound(database::connect(&self.database.url("kamiflow_app")).await, merchant).await
    }

    /// Connects as the role that makes backups.
    pub async fn sql_as_backup(&self) -> RawSql {
        RawSql::bound(database::connect(&self.database.url("kamiflow_backup")).await, None).await
    }

    /// Connects as the superuser, for looking at the catalog and for what no role of ours may arrange.
    pub async fn sql_as_superuser(&self) -> RawSql {
        RawSql::bound(database::connect(&self.database.url_as_superuser()).await, None).await
    }
}

fn store(database: &TestDatabase, ring: KeyRing) -> Store {
    let config = StoreConfig { url: database.url("kamiflow_app"), pool_size: 8, wait: Duration::from_secs(10) };
    Store::new(&config, ring).unwrap()
}
