//! Private servers, configured as docs/performance.md says, and a fresh database per run.

use std::path::Path;

use anyhow::{Result, ensure};
use kamiflow_runtime::local::{LocalPostgres, LocalRedis, PostgresOptions};
use kamiflow_test_support::fleet::{Databases, connect};
use kamiflow_test_support::program::note;
use tokio_postgres::Client;

/// The migrated database that others are copied from.
const TEMPLATE: &str = "bench_template";
/// What a small production server would be given; durability is Postgres' default, which is on.
const SETTINGS: &[(&str, &str)] = &[
    ("shared_buffers", "1GB"),
    ("effective_cache_size", "4GB"),
    ("maintenance_work_mem", "256MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "15min"),
    ("wal_compression", "lz4"),
    ("random_page_cost", "1.1"),
    ("jit", "off"),
];

/// Postgres and Redis of the benches.
pub(crate) struct Servers {
    pub(crate) postgres: LocalPostgres,
    pub(crate) redis: LocalRedis,
    databases: Databases,
}

impl Servers {
    /// Starts both, and makes the template anew.
    pub(crate) async fn start(dir: &Path) -> Result<Self> {
        note("Starting a private Postgres and Redis (the first time usually 10 seconds)");
        let options = PostgresOptions::durable("kamiflow");
        let mut postgres = LocalPostgres::start(&dir.join("postgres"), &options).await?;
        if configure(&postgres).await? {
            // Memory is taken at the start only.
            tokio::task::spawn_blocking(move || postgres.stop()).await??;
            postgres = LocalPostgres::start(&dir.join("postgres"), &options).await?;
        }
        let redis = LocalRedis::start(&dir.join("redis")).await?;
        check_durability(&connect(&postgres.superuser_url("postgres")).await?).await?;
        let databases = Databases::begin(postgres.superuser_url("postgres"), TEMPLATE).await?;
        Ok(Self { postgres, redis, databases })
    }

    /// Stops both.
    pub(crate) async fn stop(self) -> Result<()> {
        tokio::task::spawn_blocking(move || {
            self.redis.stop()?;
            self.postgres.stop()
        })
        .await??;
        Ok(())
    }

    /// Connects as the superuser.
    pub(crate) async fn superuser(&self, database: &str) -> Result<Client> {
        self.databases.superuser(database).await
    }

    /// Returns the URL of a database as the application.
    pub(crate) fn app_url(&self, database: &str) -> String {
        self.databases.url("kamiflow_app", database)
    }

    /// Makes a database with the schema in it, in place of an earlier one of that name.
    pub(crate) async fn fresh_database(&self, name: &str) -> Result<()> {
        self.databases.make(name).await
    }

    /// Makes a copy of a database that nobody is connected to.
    pub(crate) async fn copy_database(&self, template: &str, name: &str) -> Result<()> {
        self.databases.copy(template, name).await
    }

    /// Deletes a database.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<()> {
        self.databases.delete(name).await
    }
}

/// Figures of a server that may lose what it has confirmed would mean nothing.
async fn check_durability(client: &Client) -> Result<()> {
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let row = client.query_one("SELECT current_setting($1)", &[&setting]).await?;
        ensure!(row.get::<_, String>(0) == "on", "{setting} is off: the figures would mean nothing");
    }
    Ok(())
}

/// Writes the settings that differ; returns whether a restart is needed. They stay in the cluster's folder.
async fn configure(postgres: &LocalPostgres) -> Result<bool> {
    let client = connect(&postgres.superuser_url("postgres")).await?;
    let mut changed = false;
    for (name, value) in SETTINGS {
        let row = client.query_one("SELECT current_setting($1)", &[name]).await?;
        if row.get::<_, String>(0) != *value {
            client.batch_execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await?;
            changed = true;
        }
    }
    Ok(changed)
}
