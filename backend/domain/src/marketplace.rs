//! The port to the marketplace: what the engine needs to know and to do there, without its wire format.

mod products;

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use kamiflow_kernel::{
    DeliveryMethod, Fen, GatewayKind, GoodsId, MallId, MerchantId, OrderSn, PlatformSkuId, SecretText, ShopId,
};
use serde_json::{Value, json};

pub use kamiflow_store::credentials::TokenLevels;
pub use products::{MallInfo, PlatformProduct, PlatformSku, ProductDetail, ProductPage};

/// What a call on behalf of one shop needs.
#[derive(Debug, Clone)]
pub struct ShopAccess {
    /// Whose shop it is.
    pub merchant: MerchantId,
    /// The shop.
    pub shop: ShopId,
    /// Its mall on the platform.
    pub mall: MallId,
    /// The application that calls.
    pub application: ApplicationAccess,
    /// The shop's token.
    pub access_token: SecretText,
    /// Raised by every new token; tells a stale reader from a dead token.
    pub token_version: i64,
}

/// An application's keys.
#[derive(Debug, Clone)]
pub struct ApplicationAccess {
    /// Which platform; the URL comes from server configuration.
    pub gateway: GatewayKind,
    /// The application's public id.
    pub client_id: String,
    /// The application's secret.
    pub client_secret: SecretText,
    /// APIs the platform does not let it call; a call of one is refused ([`ErrorClass::StopApi`]) before it is made.
    pub denied_apis: Vec<String>,
}

/// An order as the platform tells it, without any buyer data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformOrder {
    /// The order's number.
    pub order_sn: OrderSn,
    /// 1 to ship, 2 shipped, 3 received (protocol 3.1).
    pub order_status: i16,
    /// 1 none or closed, 2 in progress, 3 refunding, 4 refunded.
    pub refund_status: i16,
    /// 0 not made, 1 made, 2 cancelled.
    pub confirm_status: i16,
    /// 0 forming, 1 formed, 2 failed.
    pub group_status: i16,
    /// 0 normal, 1 under review.
    pub risk_control_status: i16,
    /// See protocol 3.1.
    pub after_sales_status: i16,
    /// 0 normal, 1 deposit.
    pub trade_type: i16,
    /// Deposit orders: 2 when all is paid.
    pub step_trade_status: Option<i16>,
    /// 1 not a lottery order, 2 a lottery order (protocol 3.8).
    pub is_lucky_flag: i16,
    /// Order lines; one in practice (protocol 3.8).
    pub items: Vec<PlatformItem>,
    /// What the buyer paid.
    pub pay_amount: Fen,
    /// When it was created.
    pub created_at: Option<DateTime<Utc>>,
    /// When it was paid.
    pub paid_at: Option<DateTime<Utc>>,
    /// When the deal was made.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// The latest shipping time.
    pub last_ship_at: Option<DateTime<Utc>>,
    /// When it was shipped.
    pub shipped_at: Option<DateTime<Utc>>,
    /// When the buyer confirmed receipt.
    pub received_at: Option<DateTime<Utc>>,
    /// The platform's last change.
    pub updated_at: DateTime<Utc>,
    /// Codes the platform handed out, encrypted by it.
    pub cards: Vec<PlatformCard>,
}

/// One line of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformItem {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKU.
    pub sku_id: PlatformSkuId,
    /// The merchant's code of the SKU.
    pub outer_id: String,
    /// Name of the product.
    pub goods_name: String,
    /// Name of the SKU.
    pub goods_spec: String,
    /// How many were bought.
    pub count: u32,
}

/// A code the platform handed out, as it shows it: encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformCard {
    /// The card number's ciphertext, empty if there is none.
    pub number_cipher: String,
}

/// One page of orders.
#[derive(Debug, Clone)]
pub struct OrderPage {
    /// The orders, latest update first.
    pub orders: Vec<PlatformOrder>,
    /// How many there are in the window, when it was asked for.
    pub total: Option<u32>,
    /// Whether more pages follow, when the total was not asked for.
    pub has_next: bool,
    /// Orders of the page that could not be read, by number where at least that could; they count for the total.
    pub unreadable: Vec<Option<OrderSn>>,
}

/// Which page is asked for.
#[derive(Debug, Clone, Copy)]
pub struct PageRequest {
    /// From 1.
    pub number: u32,
    /// At most 100.
    pub size: u32,
    /// Whether the total is wanted; the platform then leaves `has_next` out.
    pub with_total: bool,
}

/// A span of update times, start included, end included (to the second).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeSpan {
    /// From.
    pub from: DateTime<Utc>,
    /// To.
    pub to: DateTime<Utc>,
}

/// An after-sale as the refund list shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlatformRefund {
    /// The after-sale's number.
    pub after_sales_id: i64,
    /// Its order.
    pub order_sn: OrderSn,
    /// See protocol 3.1.
    pub status: i16,
    /// Query numbering of protocol 6.1.
    pub kind: i16,
    /// Amount asked for.
    pub amount: Fen,
    /// When it was opened.
    pub created_at: Option<DateTime<Utc>>,
    /// The last change.
    pub updated_at: DateTime<Utc>,
}

/// One page of after-sales.
#[derive(Debug, Clone)]
pub struct RefundPage {
    /// The after-sales.
    pub refunds: Vec<PlatformRefund>,
    /// How many there are in the window.
    pub total: u32,
    /// After-sales of the page that could not be read, by order where at least that could; they count for the total.
    pub unreadable: Vec<Option<OrderSn>>,
}

/// A request whose business parameters are fixed, so that a resend is byte-identical.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreparedCall {
    /// The API's name.
    pub api: String,
    /// The business parameters as one JSON text; holds card contents.
    pub body: SecretText,
}

/// One voucher of a `voucher_send`.
#[derive(Debug, Clone)]
pub struct Voucher {
    /// Our id of it.
    pub id: String,
    /// What the buyer gets.
    pub number: SecretText,
}

/// What is to be handed over; turned into a [`PreparedCall`] by the adapter.
#[derive(Debug, Clone)]
pub enum HandOver {
    /// `pdd.voucher.voucher.info.send`.
    Vouchers {
        /// The order.
        order_sn: OrderSn,
        /// Our stable number of the hand-over.
        out_biz_no: String,
        /// One per card.
        vouchers: Vec<Voucher>,
    },
    /// `pdd.virtual.mobile.charge.notify` with SUCCESS; FAIL (= refund) is never sent automatically.
    ChargeSucceeded {
        /// The order.
        order_sn: OrderSn,
        /// Our stable number of the charge.
        outer_order_sn: String,
    },
    /// `pdd.logistics.online.send` for goods without logistics.
    DeclareShipped {
        /// The order.
        order_sn: OrderSn,
        /// The configured logistics id (protocol 4.4: 999 was seen, nothing documents it).
        logistics_id: i64,
        /// The configured tracking text; never empty on the wire.
        tracking_number: String,
    },
}

/// A card to import into the platform's own stock.
#[derive(Debug, Clone)]
pub struct UploadCard {
    /// The number, in clear on the wire.
    pub number: SecretText,
    /// The password, encrypted with the platform's key by the adapter.
    pub password: SecretText,
}

/// What `prepare` says about a platform code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtaCard {
    /// The order the code belongs to.
    pub order_sn: Option<OrderSn>,
    /// 1 unused, 2 used, 3 expired, 4 destroyed.
    pub status: i16,
    /// Uses left.
    pub remain_times: i32,
    /// Uses in all.
    pub total_times: i32,
}

/// A declaration that a use took place.
#[derive(Debug, Clone)]
pub enum Redeem {
    /// `pdd.voucher.virtual.card.verification`.
    ReportCard {
        /// The order.
        order_sn: OrderSn,
        /// Stable number of the report.
        out_trans_no: String,
        /// The card's number.
        number: SecretText,
        /// When it was used.
        at: DateTime<Utc>,
        /// True: used. False: destroyed.
        used: bool,
    },
    /// `pdd.voucher.ota.card.verification`: one use per call.
    Ota {
        /// The order.
        order_sn: OrderSn,
        /// The code.
        number: SecretText,
        /// The store that redeems.
        store_id: i64,
        /// Its name.
        store_name: String,
    },
    /// `pdd.voucher.realtime.verify.sync`.
    Realtime {
        /// The order.
        order_sn: OrderSn,
        /// Stable number of the use.
        serial_no: String,
        /// Our id of the voucher, as it was declared when it was sent.
        out_voucher_id: String,
        /// When it was used.
        at: DateTime<Utc>,
    },
}

/// What the platform said to a redemption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redeemed {
    /// It is known as used.
    Done,
    /// Status 99: look it up again.
    InProgress,
}

impl Redeemed {
    /// Returns the name in records.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::InProgress => "in_progress",
        }
    }
}

/// Tokens of a shop.
#[derive(Debug, Clone)]
pub struct Tokens {
    /// The token for calls.
    pub access_token: SecretText,
    /// The token for a new token.
    pub refresh_token: SecretText,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
    /// When the refresh token ends.
    pub refresh_expires_at: DateTime<Utc>,
    /// The mall that authorized.
    pub mall: MallId,
    /// The account that authorized.
    pub owner_name: String,
    /// APIs the token may call.
    pub scopes: Vec<String>,
    /// When single permissions end.
    pub levels: TokenLevels,
}

/// What a failed call means for the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorClass {
    /// Certain not to have happened, or a read: again later.
    RetryLater,
    /// The token is dead or of another application.
    Reauthorize,
    /// This application may not call this API.
    StopApi,
    /// The application is stopped.
    StopApplication,
    /// The mall is stopped.
    StopMall,
    /// The platform refused for a business reason; nothing happened.
    Rejected,
    /// The platform says it had already happened.
    AlreadyDone,
    /// The order is unknown or belongs to another mall (45001).
    NotFound,
    /// A write that may or may not have taken place.
    OutcomeUnknown,
    /// Never left this machine.
    NotSent,
}

/// A failed call.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{api} failed: {class:?} {code} {sub_code} {message}")]
pub struct MarketError {
    /// The API's name.
    pub api: String,
    /// What to do about it.
    pub class: ErrorClass,
    /// The platform's main code, 0 without an answer.
    pub code: i64,
    /// The platform's sub code, empty without one.
    pub sub_code: String,
    /// The platform's own text, or ours where it said nothing.
    pub message: String,
    /// Advised delay before the next try.
    pub after: Option<Duration>,
}

impl MarketError {
    /// Returns what the platform said, for the record.
    #[must_use]
    pub fn told(&self) -> Value {
        json!({
            "class": format!("{:?}", self.class),
            "code": self.code,
            "sub_code": self.sub_code,
            "message": self.message,
        })
    }
}

/// Result of a call.
pub type MarketResult<'a, T> = BoxFuture<'a, Result<T, MarketError>>;

/// The marketplace.
///
/// Writes take `not_after`: a call that has not left this machine by then must not leave it at all
/// ([`ErrorClass::NotSent`]), whatever it waited for.
pub trait Marketplace: Send + Sync + 'static {
    /// Returns the platform's clock.
    fn time<'a>(&'a self, application: &'a ApplicationAccess) -> MarketResult<'a, DateTime<Utc>>;
    /// Asks something that needs no mall's token and changes nothing, always with a call: proves that the platform
    /// takes calls of the application.
    fn probe<'a>(&'a self, application: &'a ApplicationAccess) -> MarketResult<'a, ()>;
    /// Exchanges an authorization code.
    fn create_tokens<'a>(&'a self, application: &'a ApplicationAccess, code: &'a str) -> MarketResult<'a, Tokens>;
    /// Exchanges a refresh token.
    fn refresh_tokens<'a>(
        &'a self,
        application: &'a ApplicationAccess,
        refresh_token: &'a SecretText,
    ) -> MarketResult<'a, Tokens>;
    /// Returns the mall a token belongs to.
    fn mall<'a>(&'a self, access: &'a ShopAccess) -> MarketResult<'a, MallInfo>;
    /// Asks for push messages about the mall.
    fn permit_push<'a>(&'a self, access: &'a ShopAccess) -> MarketResult<'a, ()>;
    /// Reads one order.
    fn order<'a>(&'a self, access: &'a ShopAccess, order_sn: &'a OrderSn) -> MarketResult<'a, PlatformOrder>;
    /// Reads orders by update time, latest first; at most 30 minutes.
    fn orders_updated<'a>(
        &'a self,
        access: &'a ShopAccess,
        span: TimeSpan,
        page: PageRequest,
    ) -> MarketResult<'a, OrderPage>;
    /// Reads after-sales by update time; at most 30 minutes.
    fn refunds_updated<'a>(
        &'a self,
        access: &'a ShopAccess,
        span: TimeSpan,
        page: PageRequest,
    ) -> MarketResult<'a, RefundPage>;
    /// Returns which of these orders have a refund; one call for the batch.
    fn refunds_among<'a>(&'a self, access: &'a ShopAccess, orders: &'a [OrderSn]) -> MarketResult<'a, Vec<OrderSn>>;
    /// Reads one page of products.
    fn products<'a>(&'a self, access: &'a ShopAccess, page: PageRequest) -> MarketResult<'a, ProductPage>;
    /// Reads what only the detail tells.
    fn product_detail<'a>(&'a self, access: &'a ShopAccess, goods: GoodsId) -> MarketResult<'a, ProductDetail>;
    /// Returns the name of the API that hands over by a method, as denials name it; `None` if there is none. Pure.
    fn hand_over_api(&self, method: DeliveryMethod) -> Option<&'static str>;
    /// Fixes the business parameters of a hand-over. Pure.
    fn prepare_hand_over(&self, hand_over: &HandOver) -> PreparedCall;
    /// Sends a prepared hand-over.
    fn hand_over<'a>(
        &'a self,
        access: &'a ShopAccess,
        call: &'a PreparedCall,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, ()>;
    /// Imports cards into the platform's stock; returns the platform's batch number.
    fn upload_cards<'a>(
        &'a self,
        access: &'a ShopAccess,
        upload: &'a CardUpload,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, i64>;
    /// Opens ciphertexts of one order (budgeted: protocol 9.1).
    fn decrypt<'a>(
        &'a self,
        access: &'a ShopAccess,
        order_sn: &'a OrderSn,
        ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<SecretText>>;
    /// Returns the masked texts of ciphertexts of one order.
    fn mask<'a>(
        &'a self,
        access: &'a ShopAccess,
        order_sn: &'a OrderSn,
        ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<String>>;
    /// Looks a platform code up before it is redeemed.
    fn ota_prepare<'a>(
        &'a self,
        access: &'a ShopAccess,
        number: &'a SecretText,
        store_id: Option<i64>,
    ) -> MarketResult<'a, OtaCard>;
    /// Declares one use.
    fn redeem<'a>(
        &'a self,
        access: &'a ShopAccess,
        redeem: &'a Redeem,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, Redeemed>;
}

/// An import into the platform's stock.
#[derive(Debug, Clone)]
pub struct CardUpload {
    /// The product.
    pub goods_id: GoodsId,
    /// The SKU.
    pub sku_id: PlatformSkuId,
    /// Where the buyer uses the code; empty to leave it out.
    pub charge_address: String,
    /// At most 5000.
    pub cards: Vec<UploadCard>,
}
