//! Why a private server could not be started or stopped.

use std::io;
use std::path::{Path, PathBuf};

/// Why a private server could not be started or stopped.
#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    /// A program is not installed.
    #[error("{program} was not found in {looked}: run ./dev setup")]
    Missing {
        /// The program.
        program: &'static str,
        /// Where it was looked for.
        looked: String,
    },
    /// Another process uses the folder.
    #[error("{} is in use by process {holder}: stop that first, or choose another folder", dir.display())]
    Busy {
        /// The folder.
        dir: PathBuf,
        /// The process, or what is known of it.
        holder: String,
    },
    /// The cluster was made by another major version of Postgres.
    #[error("{} was made by Postgres {found}, but only {available} is installed: install Postgres {found}, or delete the folder", data.display())]
    Version {
        /// The cluster.
        data: PathBuf,
        /// Its version.
        found: String,
        /// The versions installed.
        available: String,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}):\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: String,
        /// What it printed, and the end of its log.
        output: String,
    },
    /// A server did not answer or did not end in time.
    #[error("{server} did not {action} within {seconds} s; its log ends with:\n{log}")]
    Late {
        /// The server.
        server: &'static str,
        /// What it should have done.
        action: &'static str,
        /// How long it was waited for.
        seconds: u64,
        /// The end of its log.
        log: String,
    },
    /// There is no account that Postgres could run as.
    #[error("Postgres refuses to run as root, and there is neither a user `postgres` nor `nobody`")]
    NoAccount,
    /// A file could not be read, written or owned.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The account database could not be read, or a signal could not be sent.
    #[error("could not {action}")]
    System {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: nix::Error,
    },
    /// The new server refused a statement.
    #[error("could not prepare the database: {0}")]
    Database(#[from] tokio_postgres::Error),
    /// The thread that started the server ended early.
    #[error("the start of the server was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
}

impl LocalError {
    /// Returns a function that wraps an I/O error with what was tried.
    pub(super) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Io { action, path, source }
    }
}
