//! The simulated platform of a phase, in this process: it is the witness, so no blow falls on it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use kamiflow_sandbox::scenario::FixedToken;
use kamiflow_sandbox::{Sandbox, SandboxConfig, SandboxHandle, Scenario};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::plan::Purchase;
use crate::switches::Switches;

/// Secret of every application.
pub(crate) const CLIENT_SECRET: &str = "chaos-secret-0001";
/// Milliseconds every answer waits, about as the real gateway's: sends are on their way when blows fall.
const LATENCY_MS: u64 = 60;
const FIRST_MALL: u64 = 800_000_000;
/// Merchants, each with an application.
pub(crate) const MERCHANTS: usize = 2;

/// A mall with its one product.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mall {
    pub(crate) id: u64,
    pub(crate) sku_id: u64,
    /// Whose it is; malls take turns.
    pub(crate) merchant: usize,
}

/// Returns the malls of all merchants.
pub(crate) fn malls(each: usize) -> Vec<Mall> {
    (0..each * MERCHANTS)
        .zip(FIRST_MALL..)
        .map(|(n, id)| Mall { id, sku_id: id * 100, merchant: n % MERCHANTS })
        .collect()
}

/// Returns the `client_id` of a merchant's application.
pub(crate) fn client_id(merchant: usize) -> String {
    format!("chaos-client-{merchant}")
}

/// Returns the access token of a mall.
pub(crate) fn access_token(mall: u64) -> String {
    format!("chaos-token-{mall}")
}

/// Returns the refresh token of a mall.
pub(crate) fn refresh_token(mall: u64) -> String {
    format!("chaos-refresh-{mall}")
}

/// A running sandbox.
pub(crate) struct Platform {
    sandbox: SandboxHandle,
    http: Client,
}

impl Platform {
    /// Starts one.
    pub(crate) async fn start(malls: &[Mall], switches: Switches, seed: u64) -> Result<Self> {
        let scenario = scenario(malls, switches);
        let config = SandboxConfig { scenario, seed, control_token: None, ..SandboxConfig::default() };
        let sandbox = tokio::task::spawn_blocking(move || Sandbox::start(config)).await??;
        Ok(Self { sandbox, http: Client::builder().timeout(std::time::Duration::from_secs(120)).build()? })
    }

    /// Stops it.
    pub(crate) async fn stop(self) {
        self.sandbox.stop().await;
    }

    /// Returns the URL of its gateway.
    pub(crate) fn gateway_url(&self) -> String {
        self.sandbox.gateway_url()
    }

    /// Returns the URL of its push.
    pub(crate) fn push_url(&self) -> String {
        self.sandbox.push_url()
    }

    /// Lets buyers order; returns the numbers of their orders.
    pub(crate) async fn order(&self, malls: &[Mall], purchases: &[Purchase]) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Made {
            order_sns: Vec<String>,
        }
        let mut orders = Vec::with_capacity(purchases.len());
        for purchase in purchases {
            let mall = malls.get(purchase.mall).context("no such mall")?;
            orders.push(json!({ "mall_id": mall.id, "sku_id": mall.sku_id, "quantity": purchase.quantity }));
        }
        let made: Made = serde_json::from_value(self.control(Method::POST, "/orders", &Value::Array(orders)).await?)?;
        ensure!(made.order_sns.len() == purchases.len(), "the sandbox placed {} orders", made.order_sns.len());
        Ok(made.order_sns)
    }

    /// Adds a fault; returns its number.
    pub(crate) async fn add_fault(&self, rule: &Value) -> Result<u64> {
        #[derive(Deserialize)]
        struct Added {
            fault_ids: Vec<u64>,
        }
        let added: Added = serde_json::from_value(self.control(Method::POST, "/faults", rule).await?)?;
        added.fault_ids.first().copied().context("the sandbox took no fault")
    }

    /// Returns how often a fault has struck.
    pub(crate) async fn struck(&self, id: u64) -> Result<u64> {
        #[derive(Deserialize)]
        struct Listed {
            faults: Vec<Active>,
        }
        #[derive(Deserialize)]
        struct Active {
            fault_id: u64,
            struck: u64,
        }
        let listed: Listed = serde_json::from_value(self.control(Method::GET, "/faults", &Value::Null).await?)?;
        let fault = listed.faults.into_iter().find(|fault| fault.fault_id == id);
        Ok(fault.context("the sandbox forgot a fault")?.struck)
    }

    /// Removes a fault.
    pub(crate) async fn remove_fault(&self, id: u64) -> Result<()> {
        self.control(Method::DELETE, &format!("/faults/{id}"), &Value::Null).await?;
        Ok(())
    }

    /// Closes every push connection.
    pub(crate) async fn disconnect_push(&self) -> Result<()> {
        for merchant in 0..MERCHANTS {
            self.control(Method::POST, &format!("/push/{}/disconnect", client_id(merchant)), &Value::Null).await?;
        }
        Ok(())
    }

    /// Reads what really happened, by order number.
    pub(crate) async fn ledger(&self) -> Result<BTreeMap<String, Sold>> {
        #[derive(Deserialize)]
        struct Ledger {
            vouchers: Vec<Voucher>,
            orders: Vec<Order>,
        }
        #[derive(Deserialize)]
        struct Voucher {
            order_sn: String,
            voucher_no: String,
        }
        #[derive(Deserialize)]
        struct Order {
            order_sn: String,
            quantity: usize,
            order_status: i64,
        }
        let ledger: Ledger = serde_json::from_value(self.control(Method::GET, "/ledger", &Value::Null).await?)?;
        let mut sold: BTreeMap<String, Sold> = ledger
            .orders
            .into_iter()
            .map(|order| {
                let sold = Sold { quantity: order.quantity, status: order.order_status, vouchers: Vec::new() };
                (order.order_sn, sold)
            })
            .collect();
        for voucher in ledger.vouchers {
            let order = sold.get_mut(&voucher.order_sn).context("a voucher of an order that is none")?;
            order.vouchers.push(voucher.voucher_no);
        }
        Ok(sold)
    }

    async fn control(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let url = format!("{}{path}", self.sandbox.control_url());
        let mut request = self.http.request(method, url).bearer_auth(self.sandbox.control_token());
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "the sandbox refused {path} with {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

/// What became of an order on the platform.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sold {
    pub(crate) quantity: usize,
    /// 1 to ship, 2 shipped.
    pub(crate) status: i64,
    /// Numbers of the vouchers that took effect, in their order.
    pub(crate) vouchers: Vec<String>,
}

/// Malls with one voucher product each; nobody orders by himself, and no limit stands in the way.
fn scenario(malls: &[Mall], switches: Switches) -> Scenario {
    let mut scenario = Scenario::demo(1);
    scenario.buyers.orders_per_minute = 0.0;
    scenario.buyers.refund_before_probability = 0.0;
    scenario.buyers.refund_after_probability = 0.0;
    scenario.buyers.receives_after_s = None;
    scenario.limits.enabled = false;
    scenario.latency_ms = LATENCY_MS;
    scenario.voucher_send = switches.to_scenario();
    let (application, model) = (scenario.applications.pop(), scenario.malls.pop());
    let (Some(application), Some(mut model)) = (application, model) else { return scenario };
    model.goods.truncate(1);
    model.stores.clear();
    for merchant in 0..MERCHANTS {
        let mut application = application.clone();
        (application.client_id, application.client_secret) = (client_id(merchant), CLIENT_SECRET.to_owned());
        scenario.applications.push(application);
    }
    for mall in malls {
        let mut opened = model.clone();
        opened.mall_id = mall.id;
        opened.name = format!("店{}", mall.id);
        opened.tokens = vec![FixedToken {
            client_id: client_id(mall.merchant),
            access_token: access_token(mall.id),
            refresh_token: Some(refresh_token(mall.id)),
            expires_in: None,
            pmc_permitted: true,
        }];
        for goods in &mut opened.goods {
            goods.goods_id = mall.id * 10;
            for sku in &mut goods.skus {
                sku.sku_id = mall.sku_id;
            }
        }
        scenario.malls.push(opened);
    }
    scenario
}
