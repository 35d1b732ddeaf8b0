//! Shops.

use chrono::{DateTime, Utc};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::pause::PauseScope;
use kamiflow_domain::show_pauses::PauseLine;
use kamiflow_domain::show_shop::ShopView;
use kamiflow_kernel::ShopId;
use serde::Serialize;
use utoipa::ToSchema;

/// A connected shop.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Shop {
    /// Its id.
    #[schema(value_type = String, pattern = "^shop_[0-9a-f]{32}$", example = "shop_01936f0e8a7c7d20b1f3c5d7e9a0b2c4")]
    id: ShopId,
    /// Its name on the platform.
    #[schema(example = "星河数卡")]
    name: String,
    /// Its number on the platform.
    #[schema(example = 100_001)]
    mall_id: i64,
    /// Whether it lives on the sandbox.
    is_sandbox: bool,
    /// `trial_run`, `live`, `stopped` or `disconnected`.
    #[schema(example = "live")]
    state: &'static str,
    /// Why it is stopped, if it is.
    stop_reason: Option<String>,
    /// Orders paid from then on are delivered; null in trial run.
    deliver_from: Option<DateTime<Utc>>,
    /// Since when it is connected.
    connected_at: DateTime<Utc>,
}

impl From<ShopSummary> for Shop {
    fn from(shop: ShopSummary) -> Self {
        Self {
            id: shop.shop,
            is_sandbox: shop.is_sandbox(),
            name: shop.name,
            mall_id: shop.mall.0,
            state: shop.state.as_str(),
            stop_reason: shop.stop_reason,
            deliver_from: shop.deliver_from,
            connected_at: shop.connected_at,
        }
    }
}

/// A page of shops.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShopList {
    /// The shops, the oldest connection first.
    pub(crate) shops: Vec<Shop>,
    /// The cursor of the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// A shop and how its connection does.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ShopDetail {
    /// The shop.
    #[serde(flatten)]
    shop: Shop,
    /// When it was read last without a failure.
    last_synced_at: Option<DateTime<Utc>>,
    /// When its authorization ends; null once it is disconnected.
    authorized_until: Option<DateTime<Utc>>,
    /// Pauses in force that hold its work back.
    pauses: Vec<Pause>,
}

/// A pause in force.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Pause {
    /// `delivery` or `redemption`.
    #[schema(example = "delivery")]
    work: &'static str,
    /// Whether it is the whole merchant's and not only this shop's.
    is_of_merchant: bool,
    /// Why.
    reason: String,
    /// Until when; null until somebody ends it.
    ends_at: Option<DateTime<Utc>>,
    /// How much waits.
    #[schema(minimum = 0)]
    waiting: i64,
}

impl From<ShopView> for ShopDetail {
    fn from(view: ShopView) -> Self {
        let pause = |pause: PauseLine| Pause {
            work: pause.work.as_str(),
            is_of_merchant: pause.scope == PauseScope::Merchant,
            reason: pause.reason,
            ends_at: pause.ends_at,
            waiting: pause.waiting,
        };
        Self {
            authorized_until: view.life.map(|life| life.expires_at),
            last_synced_at: view.last_synced_at,
            pauses: view.pauses.into_iter().map(pause).collect(),
            shop: view.summary.into(),
        }
    }
}
