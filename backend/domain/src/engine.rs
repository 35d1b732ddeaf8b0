//! What every tick of the engine works with, and what it tells the pools when it ends.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Clock, GatewayKind, JobId, MerchantId, ShopId};
use kamiflow_store::{Store, StoreError};

use crate::ctx::{Actor, Ctx};
use crate::marketplace::{MarketError, Marketplace};
use crate::retention::RetentionPolicy;
use crate::verification::Approval;

/// The engine's dependencies. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    /// Truth.
    pub store: Store,
    /// The platform.
    pub market: Arc<dyn Marketplace>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Settings.
    pub config: Arc<EngineConfig>,
}

/// Settings of the engine; all come from server configuration.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// What holds for shops of the real platform.
    pub production: GatewayRules,
    /// What holds for sandbox shops.
    pub sandbox: GatewayRules,
    /// Windows with more orders are bisected.
    pub window_max_orders: u32,
    /// Slowest polling of an idle shop.
    pub poll_ceiling: Duration,
    /// How long a started attempt may wait to leave this machine.
    pub send_deadline: Duration,
    /// Nobody resolves an attempt before its deadline plus this.
    pub resolve_after: Duration,
    /// Oldest evidence the gate accepts.
    pub evidence_max_age: Duration,
    /// Orders per tick.
    pub batch: usize,
    /// Longest tick.
    pub tick_budget: Duration,
    /// Tracking text of `pickup_page`'s declaration.
    pub pickup_tracking: String,
    /// Classified failures in a row after which an order is left to a person.
    pub poison_after: i32,
    /// How long things are kept.
    pub retention: RetentionPolicy,
    /// How long before an order's latest shipping time it is told that nothing was handed over.
    pub ship_by_notice: Duration,
    /// Who decides about verifications.
    pub approval: Approval,
    /// How many orders' cards a member may look at in a day.
    pub reveals_per_day: u32,
    /// What links to the site begin with; without it no mail is written that leads there.
    pub site: Option<String>,
}

/// What is known of one gateway.
#[derive(Debug, Clone)]
pub struct GatewayRules {
    /// How far behind its clock a window ends: at least 180 s for production.
    pub window_lag: Duration,
    /// Whether it lets an identical `voucher_send` be sent again safely.
    pub resend_safe: bool,
    /// What `pickup_page` declares to it (protocol 4.4, inferred).
    pub pickup_logistics_id: i64,
}

impl Default for GatewayRules {
    fn default() -> Self {
        Self { window_lag: Duration::from_secs(180), resend_safe: false, pickup_logistics_id: 999 }
    }
}

impl EngineConfig {
    /// Returns what is known of a gateway.
    #[must_use]
    pub const fn of(&self, gateway: GatewayKind) -> &GatewayRules {
        match gateway {
            GatewayKind::Production => &self.production,
            GatewayKind::Sandbox => &self.sandbox,
        }
    }
}

impl Default for EngineConfig {
    fn default() -> Self {
        Self {
            production: GatewayRules::default(),
            sandbox: GatewayRules { window_lag: Duration::from_secs(2), ..GatewayRules::default() },
            window_max_orders: 2_000,
            poll_ceiling: Duration::from_secs(300),
            send_deadline: Duration::from_secs(5),
            resolve_after: Duration::from_secs(15),
            evidence_max_age: Duration::from_secs(2),
            batch: 50,
            tick_budget: Duration::from_secs(2),
            pickup_tracking: "virtual".to_owned(),
            poison_after: 12,
            retention: RetentionPolicy::default(),
            ship_by_notice: Duration::from_secs(2 * 60 * 60),
            approval: Approval::by_staff(),
            reveals_per_day: 200,
            site: None,
        }
    }
}

impl Engine {
    /// Returns the present moment.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        self.clock.now()
    }

    /// Returns the circumstances of a tick of the engine for a merchant.
    #[must_use]
    pub fn ctx(&self, pool: &'static str, merchant: MerchantId) -> Ctx {
        Ctx { actor: Actor::Engine(pool), merchant, request_id: String::new(), now: self.now() }
    }
}

/// Work that somebody should look at soon. Only saves time: a sweep finds what a lost wake would have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Wake {
    /// A shop's hints or deliveries.
    Deliver(ShopId),
    /// A shop's redemptions.
    Redeem(ShopId),
    /// A shop's windows.
    Sync(ShopId),
    /// A job.
    Job(JobId),
}

/// How a tick ended.
#[derive(Debug, Clone, Default)]
pub struct TickOutcome {
    /// When the same shop is due again in the same pool; `None`: when somebody wakes it.
    pub next: Option<DateTime<Utc>>,
    /// Others to wake.
    pub wakes: Vec<Wake>,
    /// Whom to wake of other merchants: what becomes of an application concerns all that have shops on it.
    pub wakes_elsewhere: Vec<(MerchantId, Vec<Wake>)>,
    /// Rows that moved; zero means that nothing was there to do.
    pub done: usize,
}

/// Why a tick stopped early. What it had committed stays; what it had not is done by the next tick.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// The platform refused in a way that concerns more than one order.
    #[error("the platform refused")]
    Market(#[from] MarketError),
}
