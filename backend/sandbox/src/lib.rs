//! A Pinduoduo on this machine.
//!
//! An independent simulation of the open platform, for tests, for `kamiflow demo` and for
//! merchants' rehearsal shops: the gateway, message push, an authorization page, simulated buyers
//! and fault injection. It shares no code with the client, so that a misreading of the protocol in
//! one is not repeated in the other. docs/sandbox.md describes scenario and control.

mod apis;
mod authorize;
mod calls;
mod catalog;
mod clock;
mod control;
mod dice;
mod envelope;
mod error;
mod faults;
mod gateway;
mod limits;
mod params;
mod pmc;
pub mod scenario;
mod server;
mod sign;
mod state;
mod text;

pub use catalog::Package;
pub use error::SandboxError;
pub use faults::{FaultKind, FaultRule};
pub use scenario::{Scenario, ScenarioError};
pub use server::{Sandbox, SandboxConfig, SandboxHandle};
pub use state::order::{NewOrder, NewOrderState};

#[cfg(test)]
mod tests;
