//! What a sandbox is made of: applications, malls, buyers, faults and switches, read from TOML.

use serde::{Deserialize, Serialize};

use crate::{catalog::Package, faults::FaultRule, state::order::NewOrder};

mod check;
mod defaults;

pub use check::ScenarioError;

/// Everything a sandbox starts with. Each field has a default; docs/sandbox.md explains them.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Scenario {
    /// The platform's clock.
    pub clock: ClockMode,
    /// How order payloads write `goods_id` and `sku_id`.
    pub ids_as: IdsAs,
    /// Milliseconds every gateway answer waits.
    pub latency_ms: u64,
    /// Rate limits.
    pub limits: Limits,
    /// What `pdd.voucher.voucher.info.send` does.
    pub voucher_send: VoucherSend,
    /// What `pdd.logistics.online.send` accepts.
    pub logistics: Logistics,
    /// Platform-generated card codes.
    pub ota: Ota,
    /// Refund timing.
    pub refunds: Refunds,
    /// Message push.
    pub pmc: Pmc,
    /// Buyers of every mall without buyers of its own.
    pub buyers: Buyers,
    /// Applications that may call.
    pub applications: Vec<Application>,
    /// Malls that sell.
    pub malls: Vec<Mall>,
    /// Faults in force from the start.
    pub faults: Vec<FaultRule>,
}

impl Scenario {
    /// Reads and checks a scenario.
    ///
    /// # Errors
    /// Names the key that is unknown, malformed or contradicts another.
    pub fn from_toml(text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text).map_err(|error| ScenarioError::Syntax(error.to_string()))?;
        scenario.check()?;
        Ok(scenario)
    }
}

/// The clock: `real`, or `frozen:<unix seconds>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum ClockMode {
    /// The machine's clock.
    Real,
    /// One instant, in UNIX seconds, moved only by control.
    Frozen(i64),
}

impl TryFrom<String> for ClockMode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "real" => Ok(Self::Real),
            Some(("frozen", at)) => {
                at.parse().map(Self::Frozen).map_err(|error| format!("clock: `{at}` is not UNIX seconds: {error}"))
            }
            _ => Err(format!("clock: expected `real` or `frozen:<unix>`, found `{text}`")),
        }
    }
}

impl From<ClockMode> for String {
    fn from(mode: ClockMode) -> Self {
        match mode {
            ClockMode::Real => "real".to_owned(),
            ClockMode::Frozen(at_s) => format!("frozen:{at_s}"),
        }
    }
}

/// JSON type of the ids in order payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdsAs {
    /// `"2557644875"`, as recorded from the platform.
    String,
    /// `2557644875`, as documented.
    Number,
}

/// Rate limits of the protocol's table, times a factor.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Whether calls are counted against limits at all.
    pub enabled: bool,
    /// Multiplies every limit; the result is at least one call per window.
    pub factor: f64,
}

/// Effects of `pdd.voucher.voucher.info.send`, which no document states.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VoucherSend {
    /// What a second call for the same order does.
    pub repeat: VoucherRepeat,
    /// Whether the first call ships the order.
    pub status: VoucherStatus,
    /// Whether orders that must not be shipped (refund, risk review, no deal) are refused.
    pub refuses_unshippable: bool,
}

/// What a second voucher call for one order does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoucherRepeat {
    /// The same `out_biz_no` with the same vouchers succeeds without a second effect.
    Idempotent,
    /// Every second call for the order fails.
    RejectsDuplicate,
    /// Every call adds its vouchers.
    Accumulates,
}

/// What a voucher call does to `order_status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoucherStatus {
    /// 1 becomes 2.
    Moves,
    /// It stays.
    Stays,
}

/// Shipping switches.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Logistics {
    /// Whether `logistics_id` 999 ships goods with `delivery_type` 0.
    pub accepts_999: bool,
    /// Seconds after which a shipped order counts as received.
    pub auto_receive_s: i64,
}

/// Switches of platform-generated codes (goods_type 19).
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ota {
    /// Whether an order's `card_info_list` shows its codes (encrypted).
    pub in_card_info_list: bool,
    /// Probability that a redemption answers status 99 and ends later.
    pub in_progress_probability: f64,
    /// Milliseconds until a redemption in progress ends.
    pub in_progress_ms: i64,
    /// Probability of sub code 1000010, which asks to try later.
    pub busy_probability: f64,
}

/// Refund timing.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refunds {
    /// Milliseconds between the agreement and the money's arrival.
    pub pays_after_ms: i64,
}

/// Message push behavior.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pmc {
    /// Multiplies the documented redelivery delays (10 min, 1 h, 12 h).
    pub redelivery_factor: f64,
    /// Probability that a message is sent twice.
    pub duplicate_probability: f64,
    /// Probability that a message is held back so that later ones overtake it.
    pub disorder_probability: f64,
    /// Milliseconds a held-back message waits.
    pub disorder_ms: i64,
    /// Seconds of silence after which a connection is closed.
    pub idle_timeout_s: u64,
    /// Whether malls need `pdd.pmc.user.permit` before messages flow.
    pub requires_permit: bool,
}

/// Simulated buyers.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Buyers {
    /// Orders each mall gets per minute; 0 for none.
    pub orders_per_minute: f64,
    /// Stops after so many orders per mall.
    pub max_orders: Option<u64>,
    /// Quantities to draw from.
    pub quantities: Vec<i64>,
    /// Seconds from shipment to the buyer's confirmation, if buyers confirm at all.
    pub receives_after_s: Option<f64>,
    /// Probability that a buyer asks for a refund after paying, whatever happens next.
    pub refund_before_probability: f64,
    /// Probability that a buyer asks for a refund after shipment.
    pub refund_after_probability: f64,
    /// Seconds until such a request is made.
    pub refund_after_s: f64,
    /// Probability that an order starts under risk review.
    pub risk_probability: f64,
    /// Seconds until a review that buyers caused is lifted.
    pub risk_lifted_after_s: f64,
}

/// An application of the open platform.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// `client_id`.
    pub client_id: String,
    /// `client_secret`.
    pub client_secret: String,
    /// Application type, in the platform's words.
    #[serde(rename = "type", default = "defaults::application_type")]
    pub application_type: String,
    /// Permission packages; all that the type may hold when left out.
    #[serde(default)]
    pub packages: Option<Vec<Package>>,
    /// `test` or `online`.
    #[serde(default)]
    pub state: ApplicationState,
    /// Calls a day in test state.
    #[serde(default = "defaults::test_daily_quota")]
    pub test_daily_quota: u64,
    /// Malls that may be authorized; 5 in test state, unlimited on-line when left out.
    #[serde(default)]
    pub max_malls: Option<usize>,
    /// Whether a refresh gives a later expiry.
    #[serde(default)]
    pub refresh_extends: bool,
    /// Lifetime of an access token, in seconds.
    #[serde(default = "defaults::token_lifetime_s")]
    pub token_lifetime_s: i64,
    /// Lifetime of a refresh token, in seconds.
    #[serde(default = "defaults::token_lifetime_s")]
    pub refresh_lifetime_s: i64,
    /// Registered redirect addresses; any is accepted when empty.
    #[serde(default)]
    pub redirect_uris: Vec<String>,
    /// Addresses that may call; any when empty, else others get 20005.
    #[serde(default)]
    pub ip_allow: Vec<std::net::IpAddr>,
    /// Message topics subscribed in the console; all when empty.
    #[serde(default)]
    pub topics: Vec<String>,
}

/// Whether an application is on-line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ApplicationState {
    /// Approved but not reviewed: quota of calls, five malls.
    Test,
    /// On-line.
    #[default]
    Online,
}

/// A mall.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mall {
    /// `mall_id`, also the `owner_id` of its tokens.
    pub mall_id: u64,
    /// Name.
    pub name: String,
    /// Tokens that exist from the start.
    #[serde(default)]
    pub tokens: Vec<FixedToken>,
    /// Stores for OTA redemption.
    #[serde(default)]
    pub stores: Vec<Store>,
    /// Goods on sale.
    #[serde(default)]
    pub goods: Vec<Goods>,
    /// Orders that exist from the start.
    #[serde(default)]
    pub orders: Vec<NewOrder>,
    /// Buyers of this mall, in place of the scenario's.
    #[serde(default)]
    pub buyers: Option<Buyers>,
}

/// A token known in advance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedToken {
    /// Application it belongs to.
    pub client_id: String,
    /// `access_token`.
    pub access_token: String,
    /// `refresh_token`.
    #[serde(default)]
    pub refresh_token: Option<String>,
    /// Seconds until it expires; ten years when left out.
    #[serde(default)]
    pub expires_in: Option<i64>,
    /// Whether `pdd.pmc.user.permit` counts as called.
    #[serde(default)]
    pub pmc_permitted: bool,
}

/// A store where codes are redeemed.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Store {
    /// `store_id`.
    pub store_id: u64,
    /// `store_name`.
    pub store_name: String,
    /// `store_number`.
    #[serde(default)]
    pub store_number: String,
    /// Province.
    #[serde(default)]
    pub province: String,
    /// City.
    #[serde(default)]
    pub city: String,
    /// District.
    #[serde(default)]
    pub district: String,
    /// Address.
    #[serde(default)]
    pub address: String,
}

/// A product.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Goods {
    /// `goods_id`.
    pub goods_id: u64,
    /// Name.
    pub name: String,
    /// Platform `goods_type`.
    #[serde(default = "defaults::goods_type")]
    pub goods_type: i64,
    /// 0 without logistics, 1 with.
    #[serde(default)]
    pub delivery_type: i64,
    /// Merchant's goods code.
    #[serde(default)]
    pub outer_goods_id: String,
    /// Category.
    #[serde(default)]
    pub cat_id: i64,
    /// Whether it is on sale.
    #[serde(default = "defaults::yes")]
    pub is_onsale: bool,
    /// Uses of each platform-generated code (goods_type 19).
    #[serde(default = "defaults::one")]
    pub ota_uses: i64,
    /// Days a card code is valid after delivery.
    #[serde(default = "defaults::valid_days")]
    pub valid_days: i64,
    /// Relative frequency in buyers' choices; 0 for never.
    #[serde(default = "defaults::weight")]
    pub weight: u32,
    /// Its skus.
    pub skus: Vec<Sku>,
}

/// A sku.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sku {
    /// `sku_id`.
    pub sku_id: u64,
    /// Spec text.
    #[serde(default)]
    pub spec: String,
    /// Merchant's sku code.
    #[serde(default)]
    pub outer_id: String,
    /// Group price, fen.
    #[serde(default = "defaults::price_fen")]
    pub price_fen: i64,
    /// Single price, fen; 10 % above the group price when left out.
    #[serde(default)]
    pub single_price_fen: Option<i64>,
    /// Stock shown on the platform.
    #[serde(default = "defaults::quantity")]
    pub quantity: i64,
    /// Codes in stock from the start (goods_type 15).
    #[serde(default)]
    pub cards: Vec<StockCard>,
}

/// One imported code.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StockCard {
    /// Card number.
    pub card_no: String,
    /// Password.
    pub password: String,
}
