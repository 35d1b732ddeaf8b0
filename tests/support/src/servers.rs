//! The Postgres and the Redis that tests run on.

use std::path::Path;

use kamiflow_runtime::config::{EnvSource, ProcessEnv, TestServers};
use kamiflow_runtime::local::{self, LocalServers, PostgresOptions};
use tokio::sync::OnceCell;

/// Folder of private servers, below the repository; one per process.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../.kamiflow/test");

static SERVERS: OnceCell<Servers> = OnceCell::const_new();

/// The servers of this test run.
#[derive(Debug)]
pub struct Servers {
    /// Postgres as a superuser, in a database that exists.
    pub database_url: String,
    /// Redis.
    pub redis_url: String,
    // Statics are never dropped; the servers' own watchdogs stop them when this process ends.
    _private: Option<LocalServers>,
}

impl Servers {
    /// Returns the servers that `./dev test` has started, or starts private ones for this process.
    pub async fn get() -> &'static Self {
        SERVERS.get_or_init(Self::find_or_start).await
    }

    async fn find_or_start() -> Self {
        let (database_url, redis_url) =
            (ProcessEnv.get(TestServers::DATABASE_URL), ProcessEnv.get(TestServers::REDIS_URL));
        if let (Some(database_url), Some(redis_url)) = (database_url, redis_url) {
            return Self { database_url, redis_url, _private: None };
        }
        let parent = Path::new(FOLDER);
        // Removes folders of processes that have ended; those in use are locked.
        local::sweep(parent).expect("earlier private servers could not be cleared away");
        let dir = parent.join(std::process::id().to_string());
        let servers = LocalServers::start(&dir, &PostgresOptions::throwaway("kamiflow"))
            .await
            .expect("private servers could not be started");
        Self {
            database_url: servers.postgres.superuser_url("postgres"),
            redis_url: servers.redis.url(),
            _private: Some(servers),
        }
    }
}
