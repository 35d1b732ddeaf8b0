//! Databases on a private Postgres: a migrated template, and copies of it.

use anyhow::{Context as _, Result};
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::local::bootstrap;
use kamiflow_store::migrate;
use tokio_postgres::{Client, NoTls};

use crate::database::url_of;

/// The databases of a program; their URLs stay the same when the server is started again.
#[derive(Debug, Clone)]
pub struct Databases {
    superuser_url: String,
    template: &'static str,
}

impl Databases {
    /// Makes the template anew: the migrations may have changed since the server's folder was used last.
    ///
    /// # Errors
    /// Fails if Postgres cannot be reached or a migration fails.
    pub async fn begin(superuser_url: String, template: &'static str) -> Result<Self> {
        let databases = Self { superuser_url, template };
        databases.delete(template).await?;
        bootstrap(&databases.superuser_url, &databases.url_as_superuser(template)).await?;
        migrate::run(&databases.url("kamiflow_owner", template), SystemClock.now())
            .await
            .context("the migrations failed")?;
        Ok(databases)
    }

    /// Returns the URL of a database as a role.
    #[must_use]
    pub fn url(&self, role: &str, database: &str) -> String {
        url_of(&self.superuser_url, Some(role), database)
    }

    /// Returns the URL of a database as the superuser.
    #[must_use]
    pub fn url_as_superuser(&self, database: &str) -> String {
        url_of(&self.superuser_url, None, database)
    }

    /// Connects as the superuser.
    ///
    /// # Errors
    /// Fails if Postgres cannot be reached.
    pub async fn superuser(&self, database: &str) -> Result<Client> {
        connect(&self.url_as_superuser(database)).await
    }

    /// Makes a database with the schema in it, in place of an earlier one of that name.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn make(&self, name: &str) -> Result<()> {
        self.copy(self.template, name).await
    }

    /// Makes a copy of a database that nobody is connected to, in place of an earlier one of that name.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn copy(&self, from: &str, name: &str) -> Result<()> {
        self.delete(name).await?;
        let client = self.superuser("postgres").await?;
        client.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {from} STRATEGY FILE_COPY")).await?;
        // Writes of the copy are not to be paid for by what is measured next.
        Ok(client.batch_execute("CHECKPOINT").await?)
    }

    /// Deletes a database, if there is one of that name.
    ///
    /// # Errors
    /// What Postgres says.
    pub async fn delete(&self, name: &str) -> Result<()> {
        let client = self.superuser("postgres").await?;
        Ok(client.batch_execute(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await?)
    }
}

/// Connects to Postgres.
///
/// # Errors
/// Fails if Postgres cannot be reached.
pub async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.context("Postgres cannot be reached")?;
    // It ends with the client; what it fails with, the client's calls fail with too.
    tokio::spawn(connection);
    Ok(client)
}
