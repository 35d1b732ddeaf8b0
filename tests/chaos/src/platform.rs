//! The simulated platform of a phase, in this process: it is the witness, so no blow falls on it.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use kamiflow_sandbox::{Sandbox, SandboxConfig, SandboxHandle};
use kamiflow_test_support::fleet::{Control, Mall};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::merchants::{FLEET, MERCHANTS};
use crate::plan::Purchase;
use crate::switches::Switches;

/// Milliseconds every answer waits, about as the real gateway's: sends are on their way when blows fall.
const LATENCY_MS: u64 = 60;

/// A running sandbox.
pub(crate) struct Platform {
    sandbox: SandboxHandle,
    control: Control,
}

impl Platform {
    /// Starts one.
    pub(crate) async fn start(malls: &[Mall], switches: Switches, seed: u64) -> Result<Self> {
        let mut scenario = FLEET.scenario(MERCHANTS, malls);
        scenario.latency_ms = LATENCY_MS;
        scenario.voucher_send = switches.to_scenario();
        let config = SandboxConfig { scenario, seed, control_token: None, ..SandboxConfig::default() };
        let sandbox = tokio::task::spawn_blocking(move || Sandbox::start(config)).await??;
        let control = Control::new(sandbox.control_url(), sandbox.control_token().to_owned())?;
        Ok(Self { sandbox, control })
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
        let mut orders = Vec::with_capacity(purchases.len());
        for purchase in purchases {
            let mall = malls.get(purchase.mall).context("no such mall")?;
            orders.push(json!({ "mall_id": mall.id, "sku_id": mall.sku_id, "quantity": purchase.quantity }));
        }
        let made = self.control.order(&Value::Array(orders)).await?;
        ensure!(made.len() == purchases.len(), "the sandbox placed {} orders", made.len());
        Ok(made)
    }

    /// Adds a fault; returns its number.
    pub(crate) async fn add_fault(&self, rule: &Value) -> Result<u64> {
        #[derive(Deserialize)]
        struct Added {
            fault_ids: Vec<u64>,
        }
        let added: Added = serde_json::from_value(self.control.ask(Method::POST, "/faults", rule).await?)?;
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
        let listed: Listed = serde_json::from_value(self.control.ask(Method::GET, "/faults", &Value::Null).await?)?;
        let fault = listed.faults.into_iter().find(|fault| fault.fault_id == id);
        Ok(fault.context("the sandbox forgot a fault")?.struck)
    }

    /// Removes a fault.
    pub(crate) async fn remove_fault(&self, id: u64) -> Result<()> {
        self.control.ask(Method::DELETE, &format!("/faults/{id}"), &Value::Null).await?;
        Ok(())
    }

    /// Closes every push connection.
    pub(crate) async fn disconnect_push(&self) -> Result<()> {
        for merchant in 0..MERCHANTS {
            self.control
                .ask(Method::POST, &format!("/push/{}/disconnect", FLEET.client_id(merchant)), &Value::Null)
                .await?;
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
        let ledger: Ledger = serde_json::from_value(self.control.ask(Method::GET, "/ledger", &Value::Null).await?)?;
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
