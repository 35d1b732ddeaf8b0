//! Configuration from the environment: typed sections that report every problem at once.
//!
//! Each variable is declared once, as a [`Variable`] beside the section that reads it. The
//! declaration feeds the parser, the error messages and `docs/reference/env.md`, so none of the
//! three can disagree. A command loads the sections it needs and nothing else:
//!
//! ```
//! use kamiflow_runtime::config::{self, Database, Redis};
//!
//! let source = config::EnvMap::from([
//!     ("KAMIFLOW_DATABASE_URL", "postgres://kamiflow_app@localhost/kamiflow"),
//!     ("KAMIFLOW_REDIS_URL", "redis://localhost"),
//! ]);
//! let (database, redis) = config::load::<(Database, Redis)>(&source)?;
//! assert_eq!(database.pool_size, 16);
//! assert_eq!(redis.prefix, "kamiflow");
//! # Ok::<(), config::ConfigError>(())
//! ```
//!
//! To add a variable: declare it in its section's file, list it in that section's `VARIABLES`,
//! read it in `Section::read`, and run `cargo dev env-docs`.

mod api;
mod auth;
mod backup;
mod database;
mod gateway;
mod keyring;
mod mail;
mod reader;
mod redis;
mod reference;
mod retention;
mod sandbox_desk;
mod section;
mod server;
mod source;
mod telemetry;
mod test_servers;
mod ui;
mod variable;
mod worker;

#[cfg(test)]
mod tests;

pub use self::api::Api;
pub use self::auth::Auth;
pub use self::backup::{BackupSource, BackupTools, RestoreTarget};
pub use self::database::{Database, DatabaseOwner};
pub use self::gateway::{Gateway, GatewayEndpoint, SandboxAddress};
pub use self::keyring::{Keyring, KeyringKey};
pub use self::mail::Mail;
pub use self::reader::{ConfigError, Problem, Reader};
pub use self::redis::Redis;
pub use self::reference::reference;
pub use self::retention::Retention;
pub use self::sandbox_desk::SandboxDesk;
pub use self::section::{SECTIONS, Section, SectionReference, load, unknown_names};
pub use self::server::Server;
pub use self::source::{EnvMap, EnvSource, ProcessEnv};
pub use self::telemetry::{LogFormat, Telemetry};
pub use self::test_servers::TestServers;
pub use self::ui::Ui;
pub use self::variable::{Kind, Preset, Variable};
pub use self::worker::{Pool, Worker};

/// Everything a process that serves or works is told from outside.
#[derive(Debug)]
pub struct Config {
    /// Postgres as the application role.
    pub database: Database,
    /// Redis, for coordination.
    pub redis: Redis,
    /// The master keys.
    pub keyring: Keyring,
    /// The Open Platform's gateway.
    pub gateway: Gateway,
    /// The HTTP server.
    pub server: Server,
    /// The worker pools.
    pub worker: Worker,
    /// Logs.
    pub telemetry: Telemetry,
}

impl Config {
    /// Reads all sections of a serving or working process.
    ///
    /// # Errors
    /// Names every variable that is missing or wrong, with its cure.
    pub fn from_source(source: &impl EnvSource) -> Result<Self, ConfigError> {
        load(source)
    }
}

impl Section for Config {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let database = Database::read(reader);
        let redis = Redis::read(reader);
        let keyring = Keyring::read(reader);
        let gateway = Gateway::read(reader);
        let server = Server::read(reader);
        let worker = Worker::read(reader);
        let telemetry = Telemetry::read(reader);
        Some(Self {
            database: database?,
            redis: redis?,
            keyring: keyring?,
            gateway: gateway?,
            server: server?,
            worker: worker?,
            telemetry: telemetry?,
        })
    }
}
