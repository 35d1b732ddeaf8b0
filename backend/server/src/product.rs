//! What the web pages work with.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use kamiflow_domain::accounts::Accounts;
use kamiflow_domain::connection_sandbox::SandboxControl;
use kamiflow_domain::engine::Engine;
use kamiflow_kernel::{ApplicationId, GatewayKind};
use kamiflow_runner::Waker;

use crate::api::ApiLimits;

/// The use cases behind pages and forms. Cheap to clone.
#[derive(Clone)]
pub struct Product {
    /// Who people are.
    pub accounts: Accounts,
    /// Shops, orders and cards.
    pub engine: Engine,
    /// Tells workers what was just committed.
    pub waker: Waker,
    /// Where shops are connected.
    pub platform: PlatformPages,
    /// How much of the API a token may use.
    pub api: ApiLimits,
    /// Sandbox shops for merchants, where this installation runs a sandbox.
    pub sandbox: Option<SandboxDesk>,
    /// Where mails can be read that this installation only catches; none where they are really sent.
    pub inbox: Option<String>,
}

/// The platforms that this installation reaches.
#[derive(Debug, Clone)]
pub struct PlatformPages {
    /// The one that shops are connected on. Sandbox shops beside the real platform are made, not connected.
    pub gateway: GatewayKind,
    /// Where malls of each that is reached are authorized.
    pub authorization: HashMap<GatewayKind, AuthorizationPages>,
    /// Where the platform sees our calls come from; none where nobody said.
    pub egress_ips: Vec<IpAddr>,
}

/// A platform's pages on which the main account of a mall authorizes.
#[derive(Debug, Clone)]
pub struct AuthorizationPages {
    /// For a computer.
    pub web: String,
    /// For a phone.
    pub phone: String,
}

/// A sandbox that merchants may try shops on.
#[derive(Clone)]
pub struct SandboxDesk {
    /// What only its operator can do.
    pub control: Arc<dyn SandboxControl>,
    /// The hosted application that its malls are connected through.
    pub application: ApplicationId,
}
