//! A platform that answers what a test has scripted, for rules whose input is the platform's answer.
//!
//! Anything that needs the platform's own behavior is tested against the sandbox; this is for its edges: the answer that
//! never came, the refresh that does not extend. An answer that was not scripted fails the test.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use futures_util::FutureExt;
use kamiflow_domain::marketplace::{
    ApplicationAccess, CardUpload, ErrorClass, HandOver, MallInfo, MarketError, MarketResult, Marketplace, OrderPage,
    OtaCard, PageRequest, PlatformOrder, PlatformProduct, PreparedCall, ProductDetail, ProductPage, Redeem, Redeemed,
    RefundPage, ShopAccess, TimeSpan, Tokens,
};
use kamiflow_kernel::{DeliveryMethod, GoodsId, OrderSn, SecretText};

/// A scripted platform.
#[derive(Debug, Default)]
pub struct ScriptedMarket {
    script: Mutex<Script>,
}

#[derive(Debug, Default)]
struct Script {
    tokens: VecDeque<Result<Tokens, MarketError>>,
    malls: VecDeque<Result<MallInfo, MarketError>>,
    products: Vec<PlatformProduct>,
    detail: Option<ProductDetail>,
    refresh_tokens_seen: Vec<String>,
    pushes_permitted: usize,
}

/// Returns an error of a class, as the adapter would.
#[must_use]
pub fn market_error(class: ErrorClass) -> MarketError {
    MarketError {
        api: "scripted".to_owned(),
        class,
        code: 0,
        sub_code: String::new(),
        message: "scripted".to_owned(),
        after: None,
    }
}

impl ScriptedMarket {
    /// Scripts the next answer to a request for tokens, new or refreshed.
    pub fn next_tokens(&self, answer: Result<Tokens, MarketError>) {
        self.lock().tokens.push_back(answer);
    }

    /// Scripts the next answer to a request for the mall.
    pub fn next_mall(&self, answer: Result<MallInfo, MarketError>) {
        self.lock().malls.push_back(answer);
    }

    /// Sets the products that every list shows, and the detail that all of them have.
    pub fn set_products(&self, products: Vec<PlatformProduct>, detail: ProductDetail) {
        let mut script = self.lock();
        (script.products, script.detail) = (products, Some(detail));
    }

    /// Returns the refresh tokens that were sent, in order.
    #[must_use]
    pub fn refresh_tokens_seen(&self) -> Vec<String> {
        self.lock().refresh_tokens_seen.clone()
    }

    /// Returns how often push messages were asked for.
    #[must_use]
    pub fn pushes_permitted(&self) -> usize {
        self.lock().pushes_permitted
    }

    fn lock(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn answer<'a, T: Send + 'a>(result: Result<T, MarketError>) -> MarketResult<'a, T> {
    std::future::ready(result).boxed()
}

fn unscripted<'a, T: Send + 'a>(call: &str) -> MarketResult<'a, T> {
    panic!("the test did not script an answer to `{call}`")
}

impl Marketplace for ScriptedMarket {
    fn time<'a>(&'a self, _: &'a ApplicationAccess) -> MarketResult<'a, DateTime<Utc>> {
        unscripted("time")
    }

    fn probe<'a>(&'a self, _: &'a ApplicationAccess) -> MarketResult<'a, ()> {
        unscripted("probe")
    }

    fn create_tokens<'a>(&'a self, _: &'a ApplicationAccess, _: &'a str) -> MarketResult<'a, Tokens> {
        self.lock().tokens.pop_front().map_or_else(|| unscripted("create_tokens"), answer)
    }

    fn refresh_tokens<'a>(&'a self, _: &'a ApplicationAccess, token: &'a SecretText) -> MarketResult<'a, Tokens> {
        let mut script = self.lock();
        script.refresh_tokens_seen.push(token.expose().to_owned());
        let next = script.tokens.pop_front();
        drop(script);
        next.map_or_else(|| unscripted("refresh_tokens"), answer)
    }

    fn mall<'a>(&'a self, access: &'a ShopAccess) -> MarketResult<'a, MallInfo> {
        let scripted = self.lock().malls.pop_front();
        answer(scripted.unwrap_or_else(|| Ok(MallInfo { mall_id: access.mall, name: format!("mall {}", access.mall) })))
    }

    fn permit_push<'a>(&'a self, _: &'a ShopAccess) -> MarketResult<'a, ()> {
        self.lock().pushes_permitted += 1;
        answer(Ok(()))
    }

    fn order<'a>(&'a self, _: &'a ShopAccess, _: &'a OrderSn) -> MarketResult<'a, PlatformOrder> {
        unscripted("order")
    }

    fn orders_updated<'a>(&'a self, _: &'a ShopAccess, _: TimeSpan, _: PageRequest) -> MarketResult<'a, OrderPage> {
        unscripted("orders_updated")
    }

    fn refunds_updated<'a>(&'a self, _: &'a ShopAccess, _: TimeSpan, _: PageRequest) -> MarketResult<'a, RefundPage> {
        unscripted("refunds_updated")
    }

    fn refunds_among<'a>(&'a self, _: &'a ShopAccess, _: &'a [OrderSn]) -> MarketResult<'a, Vec<OrderSn>> {
        unscripted("refunds_among")
    }

    fn products<'a>(&'a self, _: &'a ShopAccess, page: PageRequest) -> MarketResult<'a, ProductPage> {
        let script = self.lock();
        let size = usize::try_from(page.size).unwrap();
        let skipped = usize::try_from(page.number - 1).unwrap() * size;
        answer(Ok(ProductPage {
            products: script.products.iter().skip(skipped).take(size).cloned().collect(),
            total: u32::try_from(script.products.len()).unwrap(),
        }))
    }

    fn product_detail<'a>(&'a self, _: &'a ShopAccess, _: GoodsId) -> MarketResult<'a, ProductDetail> {
        self.lock().detail.map_or_else(|| unscripted("product_detail"), |detail| answer(Ok(detail)))
    }

    fn hand_over_api(&self, _: DeliveryMethod) -> Option<&'static str> {
        None
    }

    fn prepare_hand_over(&self, _: &HandOver) -> PreparedCall {
        panic!("the test did not script an answer to `prepare_hand_over`")
    }

    fn hand_over<'a>(&'a self, _: &'a ShopAccess, _: &'a PreparedCall, _: DateTime<Utc>) -> MarketResult<'a, ()> {
        unscripted("hand_over")
    }

    fn upload_cards<'a>(&'a self, _: &'a ShopAccess, _: &'a CardUpload, _: DateTime<Utc>) -> MarketResult<'a, i64> {
        unscripted("upload_cards")
    }

    fn decrypt<'a>(&'a self, _: &'a ShopAccess, _: &'a OrderSn, _: &'a [String]) -> MarketResult<'a, Vec<SecretText>> {
        unscripted("decrypt")
    }

    fn mask<'a>(&'a self, _: &'a ShopAccess, _: &'a OrderSn, _: &'a [String]) -> MarketResult<'a, Vec<String>> {
        unscripted("mask")
    }

    fn ota_prepare<'a>(&'a self, _: &'a ShopAccess, _: &'a SecretText, _: Option<i64>) -> MarketResult<'a, OtaCard> {
        unscripted("ota_prepare")
    }

    fn redeem<'a>(&'a self, _: &'a ShopAccess, _: &'a Redeem, _: DateTime<Utc>) -> MarketResult<'a, Redeemed> {
        unscripted("redeem")
    }
}
