//! Roles and the database of a private server, as an operator creates them on a real one.

use tokio_postgres::{Client, Config, NoTls};

use super::error::LocalError;

/// What creates the roles and hands the schema to its owner; safe to run again.
pub const BOOTSTRAP_SQL: &str = include_str!("../../../../migrations/bootstrap.sql");

/// Creates the database `target_url` names and runs [`BOOTSTRAP_SQL`] in it; what exists is kept.
/// The database ends up with the owner `kamiflow_owner`.
///
/// Both URLs are a superuser's: `maintenance_url` of a database that exists, such as `postgres`.
///
/// # Errors
/// Fails when the server cannot be reached or refuses a statement.
pub async fn bootstrap(maintenance_url: &str, target_url: &str) -> Result<(), LocalError> {
    let target: Config = target_url.parse()?;
    let database = target.get_dbname().unwrap_or("postgres");
    let quoted = format!("\"{}\"", database.replace('"', "\"\""));

    let maintenance = connect(maintenance_url).await?;
    let exists = maintenance.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&database]).await?;
    if exists.is_none() {
        maintenance.batch_execute(&format!("CREATE DATABASE {quoted}")).await?;
    }
    connect(target_url).await?.batch_execute(BOOTSTRAP_SQL).await?;
    // After the roles exist, hence not part of CREATE DATABASE.
    maintenance.batch_execute(&format!("ALTER DATABASE {quoted} OWNER TO kamiflow_owner")).await?;
    Ok(())
}

async fn connect(url: &str) -> Result<Client, LocalError> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    // It ends with the client; what it fails with, the client's calls fail with too.
    tokio::spawn(connection);
    Ok(client)
}
