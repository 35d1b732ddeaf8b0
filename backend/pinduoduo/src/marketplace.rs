//! The engine's port to the marketplace, implemented over the typed client.
//!
//! One [`Client`] per gateway, each with its URL from server configuration; a shop says only which gateway it lives
//! on. Reads wait a few seconds for their turn, writes until the moment after which they must not start.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::FutureExt;
use kamiflow_domain::marketplace::{
    ApplicationAccess, CardUpload, ErrorClass, HandOver, MallInfo, MarketError, MarketResult, Marketplace, OrderPage,
    OtaCard, PageRequest, PlatformOrder, PreparedCall, ProductDetail, ProductPage, Redeem, Redeemed, RefundPage,
    ShopAccess, TimeSpan, Tokens,
};
use kamiflow_kernel::{Clock, DeliveryMethod, GatewayKind, GoodsId, OrderSn, SecretText};

use crate::api::Api;
use crate::api::mall::{MallInfoGet, TimeGet};
use crate::api::order::{ALL, OrderIncrementGet, OrderInformationGet};
use crate::api::pmc::PmcUserPermit;
use crate::api::refund::{RefundIncrementGet, RefundStatusCheck};
use crate::api::token::{TokenCreate, TokenRefresh};
use crate::card_key::CardKey;
use crate::client::{CallOptions, Client, ClientConfig, ClientError};
use crate::conceal::hide;
use crate::keys::{AppKeys, MallToken};
use crate::limits::CallBudget;

mod errors;
mod goods;
mod hand_over;
mod orders;
mod redeem;
mod tokens;

use errors::{incomplete, market_error, refused};

/// How long a read may wait for its turn; after that the tick does something else.
const READ_PATIENCE: Duration = Duration::from_secs(3);
/// A write waits for its turn as long as its deadline allows; this only bounds a deadline in the far future.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// How long a measured difference of the clocks is used. Below the overlap of the sync windows (120 s): even a
/// platform whose clock stood still would be read without a gap.
const CLOCK_AGE: TimeDelta = TimeDelta::seconds(60);

/// The platform, as the engine sees it. Cheap to clone.
#[derive(Clone)]
pub struct PinduoduoMarket {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Arc<dyn Clock>,
    gateways: HashMap<GatewayKind, Gateway>,
    /// Platform clock minus ours, and when it was measured.
    offsets: RwLock<HashMap<GatewayKind, (TimeDelta, DateTime<Utc>)>>,
}

struct Gateway {
    client: Client,
    card_key: Option<CardKey>,
}

/// One platform to reach.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where and how patiently.
    pub client: ClientConfig,
    /// The key that encrypts card passwords for imports; without it imports are refused.
    pub card_key: Option<CardKey>,
}

impl PinduoduoMarket {
    /// Builds the clients of these gateways.
    ///
    /// # Errors
    /// When the HTTP library refuses a configuration.
    pub fn new(
        gateways: impl IntoIterator<Item = GatewayConfig>,
        clock: &Arc<dyn Clock>,
        budget: &Arc<dyn CallBudget>,
    ) -> Result<Self, ClientError> {
        let mut clients = HashMap::new();
        for GatewayConfig { client, card_key } in gateways {
            let kind = client.gateway;
            let client = Client::new(client, Arc::clone(clock), Arc::clone(budget))?;
            clients.insert(kind, Gateway { client, card_key });
        }
        let shared = Shared { clock: Arc::clone(clock), gateways: clients, offsets: RwLock::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    fn gateway(&self, api: &str, kind: GatewayKind) -> Result<&Gateway, MarketError> {
        self.shared.gateways.get(&kind).ok_or_else(|| MarketError {
            after: Some(Duration::from_secs(300)),
            ..refused(api, ErrorClass::NotSent, &format!("the server has no address for the gateway `{kind}`"))
        })
    }

    /// Makes a call without a mall's token.
    async fn ask<A: Api>(
        &self,
        application: &ApplicationAccess,
        request: &A,
        options: &CallOptions,
    ) -> Result<A::Response, MarketError> {
        permitted(A::META.name, application)?;
        let gateway = self.gateway(A::META.name, application.gateway)?;
        gateway.client.call(&keys(application), None, request, options).await.map_err(market_error)
    }

    /// Makes a call for a shop.
    async fn ask_for<A: Api>(
        &self,
        access: &ShopAccess,
        request: &A,
        options: &CallOptions,
    ) -> Result<A::Response, MarketError> {
        permitted(A::META.name, &access.application)?;
        let gateway = self.gateway(A::META.name, access.application.gateway)?;
        let (keys, token) = (keys(&access.application), token(access));
        gateway.client.call(&keys, Some(&token), request, options).await.map_err(market_error)
    }

    async fn read<A: Api>(&self, access: &ShopAccess, request: &A) -> Result<A::Response, MarketError> {
        self.ask_for(access, request, &read_options()).await
    }

    async fn measured_time(&self, application: &ApplicationAccess) -> Result<DateTime<Utc>, MarketError> {
        let asked = self.shared.clock.now();
        let known =
            self.shared.offsets.read().unwrap_or_else(PoisonError::into_inner).get(&application.gateway).copied();
        if let Some((offset, measured)) = known
            && (TimeDelta::zero()..CLOCK_AGE).contains(&(asked - measured))
        {
            return Ok(asked + offset);
        }
        let answer = self.ask(application, &TimeGet, &read_options()).await?;
        let time = answer.time.ok_or_else(|| incomplete(TimeGet::META.name, "time"))?;
        // Measured against the later of our two moments: the estimate is behind the platform's clock, never ahead.
        let answered = self.shared.clock.now();
        let mut offsets = self.shared.offsets.write().unwrap_or_else(PoisonError::into_inner);
        offsets.insert(application.gateway, (time - answered, asked));
        Ok(time)
    }
}

impl std::fmt::Debug for PinduoduoMarket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PinduoduoMarket").field("gateways", &self.shared.gateways.keys()).finish_non_exhaustive()
    }
}

fn keys(application: &ApplicationAccess) -> AppKeys {
    AppKeys::new(&application.client_id, application.client_secret.clone())
}

fn token(access: &ShopAccess) -> MallToken {
    MallToken::new(access.mall, access.access_token.clone())
}

fn read_options() -> CallOptions {
    CallOptions { not_after: None, max_wait: READ_PATIENCE }
}

fn write_options(not_after: DateTime<Utc>) -> CallOptions {
    CallOptions { not_after: Some(not_after), max_wait: WRITE_PATIENCE }
}

/// Refuses a call that the platform has refused to the application already: one shop's answer is enough for all.
fn permitted(api: &str, application: &ApplicationAccess) -> Result<(), MarketError> {
    if application.denied_apis.iter().any(|denied| denied == api) {
        return Err(refused(api, ErrorClass::StopApi, "not called: the application was told that it may not"));
    }
    Ok(())
}

fn without_passwords(error: MarketError, upload: &CardUpload) -> MarketError {
    let passwords: Vec<&str> = upload.cards.iter().map(|card| card.password.expose()).collect();
    MarketError { message: hide(&error.message, &passwords), ..error }
}

impl Marketplace for PinduoduoMarket {
    fn time<'a>(&'a self, application: &'a ApplicationAccess) -> MarketResult<'a, DateTime<Utc>> {
        self.measured_time(application).boxed()
    }

    fn probe<'a>(&'a self, application: &'a ApplicationAccess) -> MarketResult<'a, ()> {
        async move { self.ask(application, &TimeGet, &read_options()).await.map(|_time| ()) }.boxed()
    }

    fn create_tokens<'a>(&'a self, application: &'a ApplicationAccess, code: &'a str) -> MarketResult<'a, Tokens> {
        async move {
            let request = TokenCreate { code: SecretText::from(code) };
            let grant = self.ask(application, &request, &read_options()).await?;
            tokens::granted(TokenCreate::META.name, grant, self.shared.clock.now())
        }
        .boxed()
    }

    fn refresh_tokens<'a>(
        &'a self,
        application: &'a ApplicationAccess,
        refresh_token: &'a SecretText,
    ) -> MarketResult<'a, Tokens> {
        async move {
            let request = TokenRefresh { refresh_token: refresh_token.clone() };
            let grant = self.ask(application, &request, &read_options()).await?;
            tokens::granted(TokenRefresh::META.name, grant, self.shared.clock.now())
        }
        .boxed()
    }

    fn mall<'a>(&'a self, access: &'a ShopAccess) -> MarketResult<'a, MallInfo> {
        async move {
            let mall = self.read(access, &MallInfoGet).await?;
            let mall_id = mall.mall_id.ok_or_else(|| incomplete(MallInfoGet::META.name, "mall_id"))?;
            Ok(MallInfo { mall_id, name: mall.mall_name.unwrap_or_else(|| mall_id.to_string()) })
        }
        .boxed()
    }

    fn permit_push<'a>(&'a self, access: &'a ShopAccess) -> MarketResult<'a, ()> {
        async move { self.read(access, &PmcUserPermit::default()).await.map(drop) }.boxed()
    }

    fn order<'a>(&'a self, access: &'a ShopAccess, order_sn: &'a OrderSn) -> MarketResult<'a, PlatformOrder> {
        async move {
            let answer = self.read(access, &OrderInformationGet { order_sn: order_sn.clone() }).await?;
            orders::order(answer.order_info).map_err(|field| incomplete(OrderInformationGet::META.name, field))
        }
        .boxed()
    }

    fn orders_updated<'a>(
        &'a self,
        access: &'a ShopAccess,
        span: TimeSpan,
        page: PageRequest,
    ) -> MarketResult<'a, OrderPage> {
        async move {
            let request = OrderIncrementGet {
                from: span.from,
                until: span.to,
                page: orders::page(page),
                order_status: ALL,
                refund_status: ALL,
            };
            orders::order_page(self.read(access, &request).await?, page)
        }
        .boxed()
    }

    fn refunds_updated<'a>(
        &'a self,
        access: &'a ShopAccess,
        span: TimeSpan,
        page: PageRequest,
    ) -> MarketResult<'a, RefundPage> {
        async move {
            let request = RefundIncrementGet {
                from: span.from,
                until: span.to,
                after_sales_status: 1,
                after_sales_type: 1,
                page: page.number,
                page_size: page.size,
            };
            orders::refund_page(self.read(access, &request).await?)
        }
        .boxed()
    }

    fn refunds_among<'a>(&'a self, access: &'a ShopAccess, orders: &'a [OrderSn]) -> MarketResult<'a, Vec<OrderSn>> {
        async move {
            let answer = self.read(access, &RefundStatusCheck { order_sns: orders.to_vec() }).await?;
            // Absent is not empty: nobody may be told "no refund" by an answer that did not say so.
            let refunded = answer.order_sns_exists_refund;
            let refunded =
                refunded.ok_or_else(|| incomplete(RefundStatusCheck::META.name, "order_sns_exists_refund"))?;
            Ok(refunded.into_iter().map(|order| order.order_sn).collect())
        }
        .boxed()
    }

    fn products<'a>(&'a self, access: &'a ShopAccess, page: PageRequest) -> MarketResult<'a, ProductPage> {
        async move { goods::product_page(self.read(access, &goods::list(page)).await?) }.boxed()
    }

    fn product_detail<'a>(&'a self, access: &'a ShopAccess, goods: GoodsId) -> MarketResult<'a, ProductDetail> {
        async move { Ok(goods::detail(&self.read(access, &goods::detail_of(goods)).await?)) }.boxed()
    }

    fn hand_over_api(&self, method: DeliveryMethod) -> Option<&'static str> {
        hand_over::api(method)
    }

    fn prepare_hand_over(&self, hand_over: &HandOver) -> PreparedCall {
        hand_over::prepare(hand_over)
    }

    fn hand_over<'a>(
        &'a self,
        access: &'a ShopAccess,
        call: &'a PreparedCall,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, ()> {
        async move {
            permitted(&call.api, &access.application)?;
            let gateway = self.gateway(&call.api, access.application.gateway)?;
            let prepared = hand_over::stored(call)?;
            let (keys, token, options) = (keys(&access.application), token(access), write_options(not_after));
            gateway.client.send_prepared(&keys, Some(&token), &prepared, &options).await.map_err(market_error)
        }
        .boxed()
    }

    fn upload_cards<'a>(
        &'a self,
        access: &'a ShopAccess,
        upload: &'a CardUpload,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, i64> {
        async move {
            let api = hand_over::UPLOAD;
            let key = self.gateway(api, access.application.gateway)?.card_key.as_ref();
            let request = hand_over::upload(upload, key)?;
            let added = self.ask_for(access, &request, &write_options(not_after)).await;
            // The client hides what it sent; the platform can read the passwords in it, and so might repeat them.
            let added = added.map_err(|error| without_passwords(error, upload))?;
            added.result.and_then(|batch| batch.batch_id).ok_or_else(|| {
                // The client lets no such answer pass; were it to, the import may have taken place.
                refused(api, ErrorClass::OutcomeUnknown, "the answer names no batch")
            })
        }
        .boxed()
    }

    fn decrypt<'a>(
        &'a self,
        access: &'a ShopAccess,
        order_sn: &'a OrderSn,
        ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<SecretText>> {
        async move {
            let mut plain = Vec::with_capacity(ciphers.len());
            for request in redeem::decrypts(order_sn, ciphers) {
                let answer = self.read(access, &request).await?;
                plain.extend(redeem::opened(request.texts, answer)?);
            }
            Ok(plain)
        }
        .boxed()
    }

    fn mask<'a>(
        &'a self,
        access: &'a ShopAccess,
        order_sn: &'a OrderSn,
        ciphers: &'a [String],
    ) -> MarketResult<'a, Vec<String>> {
        async move {
            let mut masked = Vec::with_capacity(ciphers.len());
            for request in redeem::masks(order_sn, ciphers) {
                let answer = self.read(access, &request).await?;
                masked.extend(redeem::opened(request.texts, answer)?.iter().map(|text| text.expose().to_owned()));
            }
            Ok(masked)
        }
        .boxed()
    }

    fn ota_prepare<'a>(
        &'a self,
        access: &'a ShopAccess,
        number: &'a SecretText,
        store_id: Option<i64>,
    ) -> MarketResult<'a, OtaCard> {
        async move { redeem::prepared(self.read(access, &redeem::prepare(number, store_id)).await?) }.boxed()
    }

    fn redeem<'a>(
        &'a self,
        access: &'a ShopAccess,
        redeem: &'a Redeem,
        not_after: DateTime<Utc>,
    ) -> MarketResult<'a, Redeemed> {
        async move {
            let options = write_options(not_after);
            match redeem::call(redeem) {
                redeem::Call::Report(request) => {
                    self.ask_for(access, &request, &options).await.map(|_cards| Redeemed::Done)
                }
                redeem::Call::Ota(request) => {
                    self.ask_for(access, &request, &options).await.map(|answer| redeem::verified(&answer))
                }
                redeem::Call::Realtime(request) => {
                    self.ask_for(access, &request, &options).await.map(|_synced| Redeemed::Done)
                }
            }
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests;
