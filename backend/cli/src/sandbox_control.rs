//! The sandbox's `/control/`, as the demo uses it: buyers, the merchant's clicks, and the ledger. docs/sandbox.md.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use kamiflow_domain::connection_sandbox::{SandboxControl, SandboxControlError, SandboxMall};
use kamiflow_kernel::{MallId, OrderSn, PlatformSkuId, SecretText};
use reqwest::{Client, Method};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A large ledger takes a moment to write.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection to `/control/`. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Control {
    http: Client,
    base: String,
    token: SecretText,
}

/// An order a buyer makes.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BuyerOrder {
    pub(crate) mall_id: i64,
    pub(crate) sku_id: i64,
    pub(crate) quantity: u32,
    pub(crate) phone: String,
    /// `paid`, or `risk_review` for one that must not be delivered yet.
    pub(crate) state: &'static str,
    pub(crate) receives_after_s: Option<f64>,
}

/// What really happened, as far as the demo compares it.
#[derive(Debug, Deserialize)]
pub(crate) struct Ledger {
    pub(crate) vouchers: Vec<VoucherEffect>,
    pub(crate) issued_cards: Vec<IssuedCard>,
    pub(crate) charges: Vec<ChargeEffect>,
    pub(crate) shipments: Vec<Effect>,
    pub(crate) orders: Vec<LedgerOrder>,
}

/// A voucher that took effect.
#[derive(Debug, Deserialize)]
pub(crate) struct VoucherEffect {
    pub(crate) order_sn: String,
    pub(crate) voucher_no: String,
    pub(crate) at_ms: i64,
}

/// A code the platform handed out.
#[derive(Debug, Deserialize)]
pub(crate) struct IssuedCard {
    pub(crate) order_sn: String,
    pub(crate) card_no: String,
    pub(crate) goods_type: i64,
}

/// A charge notification that was taken.
#[derive(Debug, Deserialize)]
pub(crate) struct ChargeEffect {
    pub(crate) order_sn: String,
    pub(crate) status: String,
}

/// Any other effect on an order.
#[derive(Debug, Deserialize)]
pub(crate) struct Effect {
    pub(crate) order_sn: String,
}

/// An order as the platform knows it.
#[derive(Debug, Deserialize)]
pub(crate) struct LedgerOrder {
    pub(crate) order_sn: String,
    pub(crate) quantity: i64,
    pub(crate) order_status: i64,
    pub(crate) refund_status: i64,
    pub(crate) paid_ms: Option<i64>,
    pub(crate) delivered_ms: Option<i64>,
}

impl Control {
    /// Returns a connection.
    pub(crate) fn new(base: String, token: &str) -> Result<Self> {
        Ok(Self { http: Client::builder().timeout(PATIENCE).build()?, base, token: SecretText::from(token) })
    }

    /// Lets buyers order; returns the order numbers.
    pub(crate) async fn buy(&self, orders: &[BuyerOrder]) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Made {
            order_sns: Vec<String>,
        }
        Ok(self.ask::<Made>(Method::POST, "/orders", Some(serde_json::to_value(orders)?)).await?.order_sns)
    }

    /// Lets a buyer ask for the money back; returns the refund's number.
    pub(crate) async fn ask_refund(&self, order_sn: &str) -> Result<u64> {
        #[derive(Deserialize)]
        struct Asked {
            refund_id: u64,
        }
        let path = format!("/orders/{order_sn}/refund");
        Ok(self.ask::<Asked>(Method::POST, &path, None).await?.refund_id)
    }

    /// Agrees to a refund, as the merchant does on the platform's own pages.
    pub(crate) async fn agree_refund(&self, refund_id: u64) -> Result<()> {
        let _agreed: Value = self.ask(Method::POST, &format!("/refunds/{refund_id}/agree"), None).await?;
        Ok(())
    }

    /// Does what a click on the authorization page does; returns the code.
    pub(crate) async fn authorize(&self, client_id: &str, mall_id: u64) -> Result<SecretText> {
        #[derive(Deserialize)]
        struct Clicked {
            code: String,
        }
        let body = json!({ "client_id": client_id, "mall_id": mall_id });
        Ok(self.ask::<Clicked>(Method::POST, "/tokens/authorize", Some(body)).await?.code.into())
    }

    /// Reads the key that card passwords are encrypted with for imports.
    pub(crate) async fn import_key(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Key {
            public_key_pem: String,
        }
        Ok(self.ask::<Key>(Method::GET, "/import-key", None).await?.public_key_pem)
    }

    /// Reads what really happened.
    pub(crate) async fn ledger(&self) -> Result<Ledger> {
        self.ask(Method::GET, "/ledger", None).await
    }

    async fn ask<T: DeserializeOwned>(&self, method: Method, path: &str, body: Option<Value>) -> Result<T> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(self.token.expose());
        if let Some(body) = body {
            request = request.body(body.to_string());
        }
        let answer = request.send().await.with_context(|| format!("the sandbox does not answer to {path}"))?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            bail!("the sandbox refused {path} with {status}: {text}");
        }
        serde_json::from_str(&text).with_context(|| format!("the sandbox's answer to {path} is not what was expected"))
    }
}

/// What a server that runs a sandbox lends to merchants: malls of their own, and buyers in them.
impl SandboxControl for Control {
    fn add_mall<'a>(&'a self, mall: &'a SandboxMall) -> BoxFuture<'a, Result<(), SandboxControlError>> {
        let goods: Vec<Value> = mall
            .goods
            .iter()
            .map(|goods| {
                let sku = json!({ "sku_id": goods.sku, "spec": "标准", "price_fen": goods.price });
                json!({
                    "goods_id": goods.goods, "name": goods.name, "goods_type": goods.goods_type,
                    "delivery_type": goods.delivery_type, "skus": [sku],
                })
            })
            .collect();
        let body = json!({ "mall_id": mall.mall, "name": mall.name, "goods": goods });
        async move {
            let _made: Value = self.ask(Method::POST, "/malls", Some(body)).await.map_err(refused)?;
            Ok(())
        }
        .boxed()
    }

    fn authorize<'a>(
        &'a self,
        client_id: &'a str,
        mall: MallId,
    ) -> BoxFuture<'a, Result<SecretText, SandboxControlError>> {
        async move {
            let mall = u64::try_from(mall.0).map_err(|_negative| SandboxControlError(format!("no mall {mall}")))?;
            Self::authorize(self, client_id, mall).await.map_err(refused)
        }
        .boxed()
    }

    fn buy(
        &self,
        mall: MallId,
        sku: PlatformSkuId,
        quantity: u32,
    ) -> BoxFuture<'_, Result<OrderSn, SandboxControlError>> {
        async move {
            let order = BuyerOrder {
                mall_id: mall.0,
                sku_id: sku.0,
                quantity,
                phone: String::new(),
                state: "paid",
                receives_after_s: None,
            };
            let made = Self::buy(self, &[order]).await.map_err(refused)?;
            let made = made.first().and_then(|sn| sn.parse().ok());
            made.ok_or_else(|| SandboxControlError("it made no order".to_owned()))
        }
        .boxed()
    }
}

fn refused(error: anyhow::Error) -> SandboxControlError {
    SandboxControlError(format!("{error:#}"))
}
