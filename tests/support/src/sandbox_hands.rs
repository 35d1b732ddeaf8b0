//! What only the sandbox's operator can do, for use cases that lend it to merchants.

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use kamiflow_domain::connection_sandbox::{SandboxControl, SandboxControlError, SandboxMall};
use kamiflow_kernel::{MallId, OrderSn, PlatformSkuId, SecretText};
use serde_json::{Value, json};

/// Calls `/control/` of a sandbox.
#[derive(Debug, Clone)]
pub struct SandboxHands {
    pub(crate) http: reqwest::Client,
    pub(crate) url: String,
}

impl SandboxHands {
    async fn post(&self, path: &str, body: &Value) -> Result<Value, SandboxControlError> {
        let refused = |error: reqwest::Error| SandboxControlError(error.to_string());
        let request = self.http.post(format!("{}{path}", self.url)).bearer_auth("control").body(body.to_string());
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(refused)?;
        Ok(serde_json::from_str(&answer.text().await.map_err(refused)?).unwrap_or(Value::Null))
    }
}

impl SandboxControl for SandboxHands {
    fn add_mall<'a>(&'a self, mall: &'a SandboxMall) -> BoxFuture<'a, Result<(), SandboxControlError>> {
        let goods: Vec<Value> = mall
            .goods
            .iter()
            .map(|goods| {
                json!({ "goods_id": goods.goods.0, "name": goods.name, "goods_type": goods.goods_type,
                        "delivery_type": goods.delivery_type,
                        "skus": [{ "sku_id": goods.sku.0, "spec": "标准", "price_fen": goods.price }] })
            })
            .collect();
        let body = json!({ "mall_id": mall.mall.0, "name": mall.name, "goods": goods });
        async move { self.post("/malls", &body).await.map(|_made| ()) }.boxed()
    }

    fn authorize<'a>(
        &'a self,
        client_id: &'a str,
        mall: MallId,
    ) -> BoxFuture<'a, Result<SecretText, SandboxControlError>> {
        let body = json!({ "client_id": client_id, "mall_id": mall.0 });
        async move { Ok(self.post("/tokens/authorize", &body).await?["code"].as_str().unwrap().into()) }.boxed()
    }

    fn buy(
        &self,
        mall: MallId,
        sku: PlatformSkuId,
        quantity: u32,
    ) -> BoxFuture<'_, Result<OrderSn, SandboxControlError>> {
        let body = json!({ "mall_id": mall.0, "sku_id": sku.0, "quantity": quantity });
        async move { Ok(self.post("/orders", &body).await?["order_sns"][0].as_str().unwrap().parse().unwrap()) }.boxed()
    }
}
