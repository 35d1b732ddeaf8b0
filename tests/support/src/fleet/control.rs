//! The platform's other side: what a test makes buyers and the gateway do, and what it reads of that.

use std::time::Duration;

use anyhow::{Result, ensure};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde_json::Value;

/// How long an answer may take: a ledger of a hundred thousand orders is one.
const PATIENCE: Duration = Duration::from_secs(120);

/// The control of a sandbox.
#[derive(Debug)]
pub struct Control {
    url: String,
    token: String,
    http: Client,
}

impl Control {
    /// Returns the control at a URL.
    ///
    /// # Errors
    /// Fails if there can be no HTTP client.
    pub fn new(url: String, token: String) -> Result<Self> {
        Ok(Self { url, token, http: Client::builder().timeout(PATIENCE).build()? })
    }

    /// Asks; `Null` is no body, and an answer without one is `Null`.
    ///
    /// # Errors
    /// Fails if the sandbox cannot be reached or refuses.
    pub async fn ask(&self, method: Method, path: &str, body: &Value) -> Result<Value> {
        let mut request = self.http.request(method, format!("{}{path}", self.url)).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.body(body.to_string());
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        ensure!(status.is_success(), "the sandbox refused {path} with {status}: {text}");
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Lets buyers order, as `POST /orders` takes it; returns the numbers of their orders.
    ///
    /// # Errors
    /// Fails if the sandbox cannot be reached or refuses.
    pub async fn order(&self, orders: &Value) -> Result<Vec<String>> {
        #[derive(Deserialize)]
        struct Made {
            order_sns: Vec<String>,
        }
        let made: Made = serde_json::from_value(self.ask(Method::POST, "/orders", orders).await?)?;
        Ok(made.order_sns)
    }
}
