//! Many merchants with many shops on a simulated platform, for programs that run the product as its operator does.
//!
//! A test has a [`World`](crate::World): one merchant, one shop, the engine in its own process. `tests/chaos` and
//! `tests/load` strike and measure whole installations; what those are made of is the same and is here:
//!
//! ```text
//! Databases          a migrated template on a private Postgres, and a copy of it per run
//! Fleet              names, secrets and the master key: all that tells one program's fleet from another's
//!   ├ malls          numbered from `first_mall`; owners take turns
//!   ├ scenario       the platform: those malls, one voucher product each, an application per owner
//!   ├ sign_up …      the same merchants and shops in the product, through the use cases: connected, mapped, live
//!   └ settings       what `kamiflow work` is told, so that it opens what was sealed here
//! Control            the platform's other side: buyers order, faults are set, ledgers are read
//! ```
//!
//! - **Everything has one source.** Application numbers, tokens, malls and the master key are derived from [`Fleet`]:
//!   the platform's side and the product's cannot disagree, and a database that is kept for a later run is still that
//!   fleet's.
//! - **No limits.** Calls of the engine made here are not counted against the platform's limits: it arranges and looks.
//!   Workers that are measured or struck count theirs.
//! - **Failures are values.** A program says what failed and stops its servers; only tests may panic.
//! - **To add a program**: a constant [`Fleet`] with a name and malls of its own, servers below a folder of its own,
//!   and what it does beyond this in its own crate.

mod arrange;
mod control;
mod databases;
mod platform;
mod worker;

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{Clock, GatewayKind, MerchantId, SecretBytes};
use kamiflow_pinduoduo::ClientConfig;
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::{GatewayConfig, PinduoduoMarket};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_store::{KeyRing, Store, StoreConfig};

pub use self::arrange::{Owner, cards, empty_pool, insert_merchant};
pub use self::control::Control;
pub use self::databases::{Databases, connect};
pub(crate) use self::platform::silence_buyers;
pub use self::worker::{Place, WORK, product};

/// How long a connection is waited for; what is struck down comes back within it.
const WAIT: Duration = Duration::from_secs(30);

/// What tells one program's fleet from another's.
#[derive(Debug, Clone, Copy)]
pub struct Fleet {
    /// What names, tokens and secrets begin with; also the id of the master key.
    pub name: &'static str,
    /// What its cards and tokens are sealed with.
    pub master_key: [u8; 32],
    /// The number of its first mall.
    pub first_mall: u64,
}

/// A mall with its one product.
#[derive(Debug, Clone, Copy)]
pub struct Mall {
    /// Its number.
    pub id: u64,
    /// The number of the product's one SKU.
    pub sku_id: u64,
    /// Whose it is, from 0.
    pub owner: usize,
}

impl Fleet {
    /// Returns so many malls of so many owners, who take turns.
    pub fn malls(&self, count: usize, owners: usize) -> impl Iterator<Item = Mall> + use<> {
        let owners = owners.max(1);
        (0..count).zip(self.first_mall..).map(move |(n, id)| Mall { id, sku_id: id * 100, owner: n % owners })
    }

    /// Returns the `client_id` of an owner's application.
    #[must_use]
    pub fn client_id(&self, owner: usize) -> String {
        format!("{}-client-{owner:05}", self.name)
    }

    /// Returns the secret of every application.
    #[must_use]
    pub fn client_secret(&self) -> String {
        format!("{}-secret-0001", self.name)
    }

    /// Returns the access token of a mall.
    #[must_use]
    pub fn access_token(&self, mall: u64) -> String {
        format!("{}-token-{mall}", self.name)
    }

    /// Returns the refresh token of a mall.
    #[must_use]
    pub fn refresh_token(&self, mall: u64) -> String {
        format!("{}-refresh-{mall}", self.name)
    }

    /// Returns the circumstances of an act of a merchant's operator, now.
    #[must_use]
    pub fn act(&self, engine: &Engine, merchant: MerchantId) -> Ctx {
        Ctx { actor: Actor::Operator, merchant, request_id: self.name.to_owned(), now: engine.now() }
    }

    /// Returns a store on a database.
    ///
    /// # Errors
    /// Fails if the URL is none.
    pub fn store(&self, url: String, connections: usize) -> Result<Store> {
        let key = SecretBytes::new(self.master_key.to_vec());
        let ring = KeyRing::new([(self.name.to_owned(), key)], self.name)?;
        Ok(Store::new(&StoreConfig { url, pool_size: connections, wait: WAIT }, ring)?)
    }

    /// Returns an engine whose calls are not counted against limits.
    ///
    /// # Errors
    /// Fails if the URL is none.
    pub fn engine(&self, store: Store, gateway_url: &str) -> Result<Engine> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
        let client = ClientConfig::new(GatewayKind::Sandbox, gateway_url.parse()?);
        Ok(Engine {
            store,
            market: Arc::new(PinduoduoMarket::new([GatewayConfig { client, card_key: None }], &clock, &budget)?),
            clock,
            config: Arc::default(),
        })
    }
}
