//! Private servers, configured as docs/performance.md says, and a fresh database per run.

use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::{LocalPostgres, LocalRedis, PostgresOptions, bootstrap};
use kamiflow_store::migrate;
use tokio_postgres::{Client, NoTls};

use crate::progress::note;

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
        let servers = Self { postgres, redis };
        servers.check_durability().await?;
        servers.make_template().await?;
        Ok(servers)
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
        connect(&self.postgres.superuser_url(database)).await
    }

    /// Returns the URL of a database as the application.
    pub(crate) fn app_url(&self, database: &str) -> String {
        self.postgres.url("kamiflow_app", database)
    }

    /// Makes a database with the schema in it, in place of an earlier one of that name.
    pub(crate) async fn fresh_database(&self, name: &str) -> Result<()> {
        self.copy_database(TEMPLATE, name).await
    }

    /// Makes a copy of a database that nobody is connected to.
    pub(crate) async fn copy_database(&self, template: &str, name: &str) -> Result<()> {
        let client = self.superuser("postgres").await?;
        client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?;
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY")).await?;
        // Writes of the copy are not to be paid for by what is measured next.
        client.batch_execute("CHECKPOINT").await?;
        Ok(())
    }

    /// Deletes a database.
    pub(crate) async fn drop_database(&self, name: &str) -> Result<()> {
        let client = self.superuser("postgres").await?;
        Ok(client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?)
    }

    async fn check_durability(&self) -> Result<()> {
        let client = self.superuser("postgres").await?;
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let row = client.query_one("SELECT current_setting($1)", &[&setting]).await?;
            ensure!(row.get::<_, String>(0) == "on", "{setting} is off: the figures would mean nothing");
        }
        Ok(())
    }

    async fn make_template(&self) -> Result<()> {
        self.drop_database(TEMPLATE).await?;
        let url = self.postgres.superuser_url(TEMPLATE);
        bootstrap(&self.postgres.superuser_url("postgres"), &url).await?;
        let owner = self.postgres.url("kamiflow_owner", TEMPLATE);
        migrate::run(&owner, SystemClock.now()).await.context("the migrations failed")?;
        Ok(())
    }
}

/// Connects to Postgres.
pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("Postgres cannot be reached")?;
    // It ends with the client; what it fails with, the client's calls fail with too.
    tokio::spawn(connection);
    Ok(client)
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
