//! Connecting shops: `/console/shops/new`, `…/authorize`, `…/callback`, `…/{shop}/connected`, `…/tokens`, `/authorize/…`.

use std::net::IpAddr;

use chrono::{DateTime, Utc};
use kamiflow_domain::authorization_link::OpenedLink;
use kamiflow_domain::connection_routes::{ApiGrant, Route, SaleKind};
use kamiflow_domain::connection_tokens::TokenLife;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::show_shop::ApplicationView;
use kamiflow_kernel::MallId;

/// The platform's pages, without what an authorization adds.
#[derive(Debug, Clone)]
pub struct PlatformAddress {
    /// For a computer: up to and with the address to come back to.
    pub web: String,
    /// The same for a phone.
    pub phone: String,
    /// The address to come back to, which the application must know.
    pub callback: String,
    /// Where the platform sees our calls come from; none where the operator did not say.
    pub egress_ips: Vec<IpAddr>,
}

/// The wizard.
#[derive(Debug)]
pub struct Wizard {
    /// What is sold, once it was said.
    pub sold: Option<SaleKind>,
    /// The way that was chosen.
    pub route: Option<Route>,
    /// Applications to connect through.
    pub applications: Vec<ApplicationView>,
    /// Where the platform is.
    pub address: PlatformAddress,
}

/// Sending the main account to the platform.
#[derive(Debug)]
pub struct Authorize {
    /// What is authorized.
    pub application: ApplicationView,
    /// The shop that needs a new authorization; none for one to connect.
    pub shop: Option<ShopSummary>,
    /// Where the platform is.
    pub address: PlatformAddress,
}

/// Why what came back from the platform is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotTaken {
    /// The platform sent no code, or the address was typed.
    Incomplete,
    /// Nobody began it here.
    Unknown,
    /// Begun in another browser.
    OtherSession,
    /// It came back before.
    Used,
    /// It came back late.
    Late,
    /// Another merchant has connected the mall and is asked.
    TakeOverAsked(MallId),
    /// Another mall than the shop's.
    OtherMall {
        /// The shop.
        expected: String,
        /// What was authorized.
        given: String,
    },
    /// The role does not permit it any more.
    Forbidden,
    /// The platform or the store did not do it.
    Refused,
}

/// What came back from the platform.
#[derive(Debug)]
pub struct CameBack {
    /// Why it is not taken; none when it is.
    pub not_taken: Option<NotTaken>,
    /// Whether somebody of the team looks at it, and not the holder of a link.
    pub is_member: bool,
}

/// What an authorization granted.
#[derive(Debug)]
pub struct Connected {
    /// The shop.
    pub shop: ShopSummary,
    /// Every API that may be needed.
    pub apis: Vec<ApiGrant>,
}

/// All shops by the time that is left.
#[derive(Debug)]
pub struct Tokens {
    /// The shortest first.
    pub lives: Vec<TokenLife>,
    /// Whether the member may authorize anew.
    pub may_renew: bool,
    /// When it was read.
    pub now: DateTime<Utc>,
}

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRefused {
    /// Made up, changed or mistyped, or what it is for is gone.
    Invalid,
    /// Its time is over.
    Expired,
    /// Somebody has authorized with it.
    Used,
}

/// The page of a link.
#[derive(Debug)]
pub struct ByLink {
    /// The last part of its address.
    pub token: String,
    /// What it is for.
    pub opened: Result<OpenedLink, LinkRefused>,
    /// Where the platform is.
    pub address: PlatformAddress,
}
