//! `kamiflow migrate`: brings the database to this version's schema.

use anyhow::Result;
use clap::Args;
use kamiflow_kernel::Clock as _;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{self, DatabaseOwner, ProcessEnv};
use kamiflow_store::StoreError;
use kamiflow_store::migrate::{self, MigrateError};
use serde_json::json;

use crate::connect;
use crate::console::{Console, Tone};
use crate::exit::{Exit, Refused, WrongUsage};
use crate::trouble;

/// The variable that names the role migrations run as.
const OWNER_URL: &str = "KAMIFLOW_DATABASE_OWNER_URL";

pub(crate) const EXAMPLES: &str = "\
Examples:
  KAMIFLOW_DATABASE_OWNER_URL=postgres://kamiflow_owner@db/kamiflow kamiflow migrate
  kamiflow migrate --json    # {\"applied\":[…]}

Safe to run again, and to run while processes work. The roles are created before, by migrations/bootstrap.sql.";

/// Options of `kamiflow migrate`; all of it is in the environment.
#[derive(Debug, Args)]
pub(crate) struct Options {}

/// Applies what is pending and keeps partitions ahead of time.
pub(crate) async fn run(_options: Options, console: Console) -> Result<Exit> {
    connect::log_quietly()?;
    let owner: DatabaseOwner = config::load(&ProcessEnv)?;
    let applied = migrate::run(owner.url.expose(), SystemClock.now()).await.map_err(explained)?;
    if console.is_json() {
        console.print_json(&json!({ "applied": applied }))?;
    } else if applied.is_empty() {
        console.print(format_args!("The schema was up to date; partitions reach three months ahead."));
    } else {
        for name in &applied {
            console.print(format_args!("{} {name}", console.toned(Tone::Good, "applied")));
        }
    }
    Ok(Exit::Done)
}

/// Tells a wrong configuration from a database that must not be touched and from a failure.
fn explained(error: MigrateError) -> anyhow::Error {
    match error {
        MigrateError::NoRoles { .. } | MigrateError::SchemaNotOwned => WrongUsage(error.to_string()).into(),
        MigrateError::WrongRole { .. } => WrongUsage(format!("{error} in {OWNER_URL}")).into(),
        MigrateError::Newer { .. } => Refused(error.to_string()).into(),
        MigrateError::Store(ref cause @ StoreError::Unavailable(_)) => {
            anyhow::anyhow!("{}", trouble::of_postgres(cause, OWNER_URL))
        }
        MigrateError::Failed(_) | MigrateError::Store(_) => error.into(),
    }
}
