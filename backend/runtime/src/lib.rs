//! What every process needs around the product: configuration, logs, metrics, health, shutdown.
//!
//! Nothing here knows the domain, and this is the only crate that reads the environment.

pub mod clock;
pub mod config;
pub mod crash;
pub mod health;
pub mod local;
pub mod shutdown;
pub mod telemetry;
