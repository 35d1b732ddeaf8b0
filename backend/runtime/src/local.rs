//! Private Postgres and Redis servers on this machine, for the demo and for tests.
//!
//! ```text
//! DIR/postgres/lock       held by the process that uses the folder
//! DIR/postgres/data/      the cluster, made by initdb on first use
//! DIR/postgres/run/       the socket; only its owner may enter
//! DIR/postgres/postgres.log
//! DIR/redis/…             the same for Redis, which keeps nothing on disk
//! ```
//!
//! - **Whose servers.** The machine's own clusters are never touched: only binaries are borrowed.
//!   The servers listen on unix sockets in a folder only their user can enter, so neither a port
//!   can be taken nor another user of the machine can log in.
//! - **Root.** Postgres refuses to run as root. Then it runs as `postgres` or `nobody`, who owns the
//!   folder; where that user cannot reach it (a check-out under `/root`), the cluster lives in
//!   `/var/lib/kamiflow` instead.
//! - **End.** Dropping a server stops it, also when a test panics. When the parent is killed and
//!   nothing is dropped, a watchdog (a shell that waits for the end of a pipe whose other end the
//!   parent holds) stops it. Should the watchdog be killed too, the next start in this folder, or
//!   [`sweep`] in its parent, finds the folder unlocked and stops the server first.
//! - **One user.** The lock is advisory and belongs to an open file, so a dead process never holds
//!   it. A second process is told who holds it.

mod binaries;
mod bootstrap;
mod error;
mod folder;
mod mail;
mod postgres;
mod redis;
mod sweep;
mod watchdog;

#[cfg(test)]
mod tests;

use std::path::Path;

pub use self::bootstrap::{BOOTSTRAP_SQL, bootstrap};
pub use self::error::LocalError;
pub use self::mail::LocalMail;
pub(crate) use self::postgres::percent_encode;
pub use self::postgres::{Durability, LocalPostgres, PostgresOptions};
pub use self::redis::LocalRedis;
pub use self::sweep::{sweep, wipe};

/// A Postgres and a Redis of one's own.
#[derive(Debug)]
pub struct LocalServers {
    /// Postgres, with the roles and the database of its options.
    pub postgres: LocalPostgres,
    /// Redis, empty.
    pub redis: LocalRedis,
}

impl LocalServers {
    /// Starts both under `dir`, which is created if needed.
    ///
    /// # Errors
    /// Fails when a program is missing, the folder is in use, or a server does not come up.
    pub async fn start(dir: &Path, options: &PostgresOptions) -> Result<Self, LocalError> {
        let postgres = LocalPostgres::start(&dir.join("postgres"), options).await?;
        let redis = LocalRedis::start(&dir.join("redis")).await?;
        Ok(Self { postgres, redis })
    }

    /// Stops both and waits until they have ended.
    ///
    /// # Errors
    /// Fails when a server does not end in time; both have been asked to.
    pub fn stop(self) -> Result<(), LocalError> {
        let redis = self.redis.stop();
        self.postgres.stop()?;
        redis
    }
}
