//! Why a sandbox does not start.

use std::net::SocketAddr;

use crate::scenario::ScenarioError;

/// Why a sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// The scenario contradicts itself.
    #[error("the scenario is not usable")]
    Scenario(#[from] ScenarioError),
    /// The address is not of this machine alone.
    #[error("a sandbox serves this machine only, but `{0}` is not a loopback address")]
    NotLoopback(SocketAddr),
    /// The address cannot be used.
    #[error("cannot listen on `{address}`")]
    Listen {
        /// Address asked for.
        address: SocketAddr,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// The server's thread cannot be started.
    #[error("cannot start the server's thread")]
    Thread(#[source] std::io::Error),
}
