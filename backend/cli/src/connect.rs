//! From configuration to connections: the parts that several commands put together the same way.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use kamiflow_kernel::SecretBytes;
use kamiflow_queue::Queue;
use kamiflow_runner::queue_config;
use kamiflow_runtime::config::{self, Database, EnvSource as _, Keyring, ProcessEnv, Redis, Telemetry, Worker};
use kamiflow_runtime::telemetry;
use kamiflow_store::{KeyRing, Store, StoreConfig, startup};
use serde_json::json;
use tracing::warn;

use crate::console::Console;
use crate::exit::{Refused, WrongUsage};
use crate::trouble::{self, told};

/// How long a caller waits for a connection of the pool.
const CONNECTION_WAIT: Duration = Duration::from_secs(10);
/// The name of the ring that opens nothing; no stored key is wrapped by it.
const NO_KEY: &str = "none";

/// Sends logs to stderr, warnings only unless the environment says otherwise: for commands whose result is what
/// somebody asked for.
pub(crate) fn log_quietly() -> Result<()> {
    let mut settings: Telemetry = config::load(&ProcessEnv)?;
    if ProcessEnv.get("KAMIFLOW_TELEMETRY_LOG").is_none() {
        "warn".clone_into(&mut settings.log);
    }
    Ok(telemetry::init(&settings)?)
}

/// Logs variables that start with `KAMIFLOW_` and mean nothing.
pub(crate) fn warn_of_unknown_variables() {
    for name in config::unknown_names(&ProcessEnv) {
        warn!(variable = name, "{name} is set and means nothing; see docs/reference/env.md");
    }
}

/// Returns the store with the keys of the ring.
pub(crate) fn store(database: &Database, keyring: &Keyring) -> Result<Store> {
    store_for_threads(database, keyring, 1)
}

/// Returns the store as [`store`] does, with connections kept apart by the threads of a web server.
pub(crate) fn store_for_threads(database: &Database, keyring: &Keyring, threads: usize) -> Result<Store> {
    let keys = keyring.keys.iter().map(|key| (key.id.clone(), key.bytes.clone()));
    open(database, KeyRing::new(keys, &keyring.active)?, threads)
}

/// Returns a store that reads and opens nothing sealed, for commands that need no master key.
pub(crate) fn store_without_keys(database: &Database) -> Result<Store> {
    open(database, KeyRing::new([(NO_KEY.to_owned(), SecretBytes::new(vec![0; 32]))], NO_KEY)?, 1)
}

fn open(database: &Database, ring: KeyRing, threads: usize) -> Result<Store> {
    let config = StoreConfig {
        url: database.url.expose().to_owned(),
        pool_size: usize::try_from(database.pool_size)?,
        wait: CONNECTION_WAIT,
    };
    Ok(Store::for_threads(&config, ring, threads)?)
}

/// Connects to Redis. Whoever schedules must know the merchants' limit, so every process reads the same section.
pub(crate) async fn queue(redis: &Redis, worker: &Worker) -> Result<Queue> {
    let mut config = queue_config(redis.url.expose(), &redis.prefix, worker.merchant_concurrency);
    config.ca_pem.clone_from(&redis.ca_pem);
    let place = config.place();
    Queue::connect(config).await.map_err(|error| {
        let text = format!("cannot use Redis at {place}: {}; {}", told(&error), trouble::of_redis(&error));
        anyhow::Error::new(error).context(text)
    })
}

/// Refuses a database whose schema is not this program's, and a key ring that does not open what is stored there.
///
/// # Errors
/// [`Refused`] or [`WrongUsage`] with cause and cure in one line, or that the database cannot be asked.
pub(crate) async fn require_fit(store: &Store) -> Result<()> {
    let Some(obstacle) = startup::list_obstacles(store).await?.into_iter().next() else { return Ok(()) };
    let text = format!("{obstacle} ({}): {}", store.place(), obstacle.cure());
    if obstacle.is_of_schema() {
        return Err(Refused(text).into());
    }
    Err(WrongUsage(format!("{text} (KAMIFLOW_KEYRING_KEYS or KAMIFLOW_KEYRING_FILE)")).into())
}

/// Tells programs where a process listens, as the first line of its stdout.
pub(crate) fn announce(console: Console, addr: SocketAddr) -> Result<()> {
    if console.is_json() {
        console.print_json(&json!({ "listen": addr }))?;
    }
    Ok(())
}
