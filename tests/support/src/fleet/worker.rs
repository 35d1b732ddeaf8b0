//! `kamiflow` as a process of its own, and what a worker is told.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kamiflow_runtime::config::{EnvSource as _, ProcessEnv};
use tokio::process::Command;

use super::Fleet;

/// What makes `kamiflow` a worker, on a port of its own.
pub const WORK: [&str; 3] = ["work", "--listen", "127.0.0.1:0"];

/// Where a worker works.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its database, as the application role.
    pub database_url: String,
    /// Redis.
    pub redis_url: String,
    /// What keys begin with: those of an earlier run mean nothing to a later one.
    pub redis_prefix: String,
    /// The platform's gateway.
    pub gateway_url: String,
    /// The platform's push.
    pub push_url: String,
}

impl Fleet {
    /// Returns the settings that every worker of this fleet needs, by their variables' names.
    #[must_use]
    pub fn settings(&self, place: Place) -> BTreeMap<&'static str, String> {
        BTreeMap::from([
            ("KAMIFLOW_DATABASE_URL", place.database_url),
            ("KAMIFLOW_REDIS_URL", place.redis_url),
            ("KAMIFLOW_REDIS_PREFIX", place.redis_prefix),
            ("KAMIFLOW_KEYRING_KEYS", format!("{}:{}", self.name, STANDARD.encode(self.master_key))),
            ("KAMIFLOW_GATEWAY_KIND", "sandbox".to_owned()),
            ("KAMIFLOW_GATEWAY_URL", place.gateway_url),
            ("KAMIFLOW_GATEWAY_PUSH_URL", place.push_url),
            ("KAMIFLOW_TELEMETRY_LOG", "error".to_owned()),
        ])
    }
}

/// Returns a command that runs the product and is killed with its handle.
#[must_use]
pub fn product(program: &Path) -> Command {
    let mut command = Command::new(program);
    // What the caller's environment says about another installation must not reach this one.
    for inherited in ProcessEnv.names() {
        if inherited.starts_with("KAMIFLOW_") {
            command.env_remove(inherited);
        }
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}
