//! `/console/shops/…`.

use chrono::{DateTime, Utc};
use kamiflow_domain::connection_tokens::TokenLife;
use kamiflow_domain::handled_outside::{HandledOutside, OutsideWarning};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::preflight::Preflight;
use kamiflow_domain::show_shop::ShopView;
use kamiflow_domain::trial_run::TrialOrder;
use kamiflow_domain::verification::VerificationView;
use kamiflow_kernel::{OrderId, Permission, TakeOverId};

/// The list of shops.
#[derive(Debug)]
pub struct ShopList {
    /// The shops of the present mode.
    pub shops: Vec<ShopSummary>,
    /// The lives of their tokens.
    pub lives: Vec<TokenLife>,
    /// Who wants a mall of the merchant's; for those who may answer.
    pub take_overs: Vec<TakeOver>,
    /// Whether the member may connect shops.
    pub may_connect: bool,
    /// Whether a sandbox shop can be made.
    pub offers_sandbox: bool,
    /// When it was read.
    pub now: DateTime<Utc>,
}

/// Somebody wants a mall that is connected here.
#[derive(Debug)]
pub struct TakeOver {
    /// Orders of the shop that are still to be sent.
    pub waiting: i64,
    /// Which request.
    pub request: TakeOverId,
    /// The name of the merchant who asks.
    pub asked_by: String,
    /// The shop.
    pub shop: String,
    /// Since when.
    pub asked_at: DateTime<Utc>,
}

/// One shop.
#[derive(Debug)]
pub struct ShopPage {
    /// The shop.
    pub shop: ShopView,
    /// Whether it will deliver; none once it is disconnected.
    pub preflight: Option<Preflight>,
    /// Whether another tool seems to work on it.
    pub outside: Option<OutsideWarning>,
    /// What the member may do with it.
    pub may: Vec<Permission>,
    /// When it was read.
    pub now: DateTime<Utc>,
}

impl ShopPage {
    /// Returns whether the member has a permission.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.may.contains(&permission)
    }
}

/// What a shop in trial run would send.
#[derive(Debug)]
pub struct Trial {
    /// The shop.
    pub shop: ShopSummary,
    /// Whether another tool seems to work on it.
    pub outside: Option<OutsideWarning>,
    /// One page of orders.
    pub orders: Vec<TrialOrder>,
    /// Whether it is the first page.
    pub is_first: bool,
    /// Where the next page begins, if there is one.
    pub next: Option<OrderId>,
    /// The merchant's verification, where the shop needs one and the member may submit it.
    pub verification: Option<VerificationView>,
    /// Whether the member may let the shop deliver.
    pub may_go_live: bool,
    /// When it was read; what was paid before is backlog on going live now.
    pub now: DateTime<Utc>,
}

/// The question before a shop is disconnected.
#[derive(Debug)]
pub struct Disconnection {
    /// The shop.
    pub shop: ShopView,
}

/// The form for a new secret of the application that a shop is connected through.
#[derive(Debug)]
pub struct SecretExchange {
    /// The shop.
    pub shop: ShopView,
}

/// The orders of a shop that were handled outside.
#[derive(Debug)]
pub struct Outside {
    /// The shop.
    pub shop: ShopSummary,
    /// The latest.
    pub orders: Vec<HandledOutside>,
    /// The warning that nobody has resolved.
    pub warning: Option<OutsideWarning>,
    /// Whether the member may resolve it.
    pub may_resolve: bool,
}
