//! Making calls: budget, deadline, signature, one HTTP request, and what its end means.
//!
//! A call passes these stages, and where it stops decides what is known:
//! 1. budget, deadline, token: nothing has left this machine ([`ErrorClass::NotSent`]);
//! 2. connecting: still nothing ([`ErrorClass::NotSent`]);
//! 3. from the first byte of the request to the last of the answer: a write that fails here is
//!    [`ErrorClass::OutcomeUnknown`], a read is made again;
//! 4. a readable answer: the table in [`crate::errors`] speaks.
//!
//! The HTTP library is told to repeat nothing, follow no redirect and use no proxy, so that one call is at
//! most one request at exactly the configured address.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Clock, GatewayKind};
use tokio::time::Instant;
use tracing::{Instrument, debug_span, field};
use url::Url;

use crate::api::{Api, ApiMeta, catalog};
use crate::conceal::conceal;
use crate::envelope;
use crate::errors::{CallError, ErrorClass};
use crate::keys::{AppKeys, MallToken};
use crate::limits::{CallBudget, Caller, LimitPolicy};
use crate::prepared::PreparedCall;
use crate::sign::sign;
use crate::tls;

const AFTER_NO_CONNECTION: Duration = Duration::from_secs(2);
const AFTER_BROKEN_TRANSFER: Duration = Duration::from_secs(2);
const JSON: &str = "application/json; charset=utf-8";

/// Where calls go and how long they may take.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// Which platform; part of every budget's key.
    pub gateway: GatewayKind,
    /// The router, from server configuration only.
    pub url: Url,
    /// From the first attempt to connect to the last byte of the answer.
    pub total_timeout: Duration,
    /// Until the connection stands.
    pub connect_timeout: Duration,
    /// Longest answer that is read, in bytes.
    pub max_response_bytes: usize,
    /// Our share of the platform's limits.
    pub limits: LimitPolicy,
}

impl ClientConfig {
    /// Returns the defaults for a router: 10 s in all, 3 s to connect, 2 MiB of answer.
    #[must_use]
    pub fn new(gateway: GatewayKind, url: Url) -> Self {
        Self {
            gateway,
            url,
            total_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            max_response_bytes: 2 * 1024 * 1024,
            limits: LimitPolicy::default(),
        }
    }
}

/// How patient one call is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CallOptions {
    /// The call does not start after this moment.
    pub not_after: Option<DateTime<Utc>>,
    /// How long it may wait for its turn.
    pub max_wait: Duration,
}

impl Default for CallOptions {
    /// No deadline, two seconds of waiting for a turn.
    fn default() -> Self {
        Self { not_after: None, max_wait: Duration::from_secs(2) }
    }
}

impl CallOptions {
    /// Returns the defaults with a moment after which the call does not start.
    #[must_use]
    pub fn not_after(moment: DateTime<Utc>) -> Self {
        Self { not_after: Some(moment), ..Self::default() }
    }
}

/// A client that cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The HTTP library refused the configuration.
    #[error("the HTTP client cannot be built")]
    Http(#[source] reqwest::Error),
}

/// Calls one platform. Cheap to clone; clones share connections and budget.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    http: reqwest::Client,
    config: ClientConfig,
    clock: Arc<dyn Clock>,
    budget: Arc<dyn CallBudget>,
}

/// One call's parts that do not depend on its type.
#[derive(Clone, Copy)]
struct Call<'a> {
    meta: &'static ApiMeta,
    keys: &'a AppKeys,
    token: Option<&'a MallToken>,
    options: &'a CallOptions,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Client {
    /// Builds a client. The process's TLS provider is installed if there is none.
    ///
    /// # Errors
    /// When the HTTP library refuses the configuration.
    pub fn new(config: ClientConfig, clock: Arc<dyn Clock>, budget: Arc<dyn CallBudget>) -> Result<Self, ClientError> {
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(rustls::ClientConfig::clone(&tls::config()))
            .http1_only()
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tcp_nodelay(true)
            .tcp_keepalive(Duration::from_secs(15))
            .pool_max_idle_per_host(1024)
            .pool_idle_timeout(Duration::from_secs(30))
            .connect_timeout(config.connect_timeout)
            .timeout(config.total_timeout)
            .user_agent(concat!("kamiflow/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Http)?;
        Ok(Self { shared: Arc::new(Shared { http, config, clock, budget }) })
    }

    /// Returns which platform this client calls.
    #[must_use]
    pub fn gateway(&self) -> GatewayKind {
        self.shared.config.gateway
    }

    /// Makes a call.
    ///
    /// # Errors
    /// See [`ErrorClass`]; the class says what the caller may do next.
    pub async fn call<A: Api>(
        &self,
        keys: &AppKeys,
        token: Option<&MallToken>,
        request: &A,
        options: &CallOptions,
    ) -> Result<A::Response, CallError> {
        let call = Call { meta: A::META, keys, token, options };
        let mut params = crate::params::Params::default();
        request.params(&mut params);
        let values = params.into_values().map_err(|reason| {
            CallError::local(A::META, ErrorClass::Rejected, &format!("cannot be written: {reason}"))
        })?;
        self.observe(call, &values, async { envelope::read::<A>(self.perform(call, values.clone()).await?) }).await
    }

    /// Makes a call that was written down before; its business parameters are byte for byte those.
    ///
    /// # Errors
    /// See [`Self::call`].
    pub async fn send_prepared(
        &self,
        keys: &AppKeys,
        token: Option<&MallToken>,
        prepared: &PreparedCall,
        options: &CallOptions,
    ) -> Result<(), CallError> {
        let meta = prepared.meta();
        let call = Call { meta, keys, token, options };
        let refuse = |reason: &str| CallError::local(meta, ErrorClass::Rejected, reason);
        let values = prepared.values().map_err(|error| refuse(&error.to_string()))?;
        let entry = catalog::find(meta.name).ok_or_else(|| refuse("not an API of this client"))?;
        self.observe(call, &values, async { (entry.judge)(self.perform(call, values.clone()).await?) }).await
    }

    /// Runs a call inside its span and counts its end. A failure repeats nothing of what the call carried.
    async fn observe<T>(
        &self,
        call: Call<'_>,
        values: &BTreeMap<String, String>,
        work: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let mall = call.token.map(|token| token.mall().0);
        let span = debug_span!("gateway.call", api = call.meta.name, mall, outcome = field::Empty, ms = field::Empty);
        let started = Instant::now();
        let result = work.instrument(span.clone()).await;
        let elapsed = started.elapsed();
        let outcome = result.as_ref().err().map_or("ok", |error| error.class.as_str());
        span.record("outcome", outcome).record("ms", u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
        metrics::counter!("kamiflow_gateway_calls_total", "api" => call.meta.name, "outcome" => outcome).increment(1);
        metrics::histogram!("kamiflow_gateway_call_seconds", "api" => call.meta.name).record(elapsed);
        result.map_err(|error| conceal(error, values, call.keys, call.token))
    }

    async fn perform(&self, call: Call<'_>, values: BTreeMap<String, String>) -> Result<Answer, CallError> {
        if call.meta.needs_token && call.token.is_none_or(|token| token.expose().is_empty()) {
            return Err(CallError::local(call.meta, ErrorClass::Reauthorize, "the mall has no token"));
        }
        self.wait_for_turn(call).await?;
        let now = self.shared.clock.now();
        if call.options.not_after.is_some_and(|deadline| now > deadline) {
            return Err(not_sent(call.meta, Duration::ZERO, "its deadline has passed"));
        }
        let body = signed_body(call, values, now).map_err(|error| {
            CallError::local(call.meta, ErrorClass::Rejected, &format!("cannot be written: {error}"))
        })?;
        self.exchange(call.meta, body).await
    }

    async fn wait_for_turn(&self, call: Call<'_>) -> Result<(), CallError> {
        let Shared { config, clock, budget, .. } = &*self.shared;
        let mall = call.token.filter(|_| call.meta.needs_token).map(MallToken::mall);
        let caller = Caller { gateway: config.gateway, client_id: call.keys.client_id(), mall };
        let buckets = config.limits.buckets(call.meta, caller);
        let mut max_wait = call.options.max_wait;
        if let Some(deadline) = call.options.not_after {
            let left = deadline.signed_duration_since(clock.now()).to_std();
            max_wait =
                max_wait.min(left.map_err(|_past| not_sent(call.meta, Duration::ZERO, "its deadline has passed"))?);
        }
        let granted = budget.acquire(&buckets, max_wait).await;
        granted.map_err(|denied| not_sent(call.meta, denied.retry_after, "no call budget in time"))
    }

    async fn exchange(&self, meta: &'static ApiMeta, body: Vec<u8>) -> Result<Answer, CallError> {
        let Shared { http, config, .. } = &*self.shared;
        let request = http.post(config.url.clone()).header(reqwest::header::CONTENT_TYPE, JSON).body(body);
        let mut response = request.send().await.map_err(|error| transfer_failed(meta, &error))?;
        let status = response.status().as_u16();
        let mut received = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| transfer_failed(meta, &error))? {
            if received.len() + chunk.len() > config.max_response_bytes {
                return Err(CallError::uncertain(meta, AFTER_BROKEN_TRANSFER, "the answer is too long"));
            }
            received.extend_from_slice(&chunk);
        }
        Ok(Answer { status, body: received })
    }
}

/// An answer as it came.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

fn signed_body(
    call: Call<'_>,
    mut values: BTreeMap<String, String>,
    now: DateTime<Utc>,
) -> Result<Vec<u8>, serde_json::Error> {
    let mut set = |key: &str, value: &str| values.insert(key.to_owned(), value.to_owned());
    set("type", call.meta.name);
    set("client_id", call.keys.client_id());
    set("timestamp", &now.timestamp().to_string());
    set("data_type", "JSON");
    set("version", "V1");
    if let Some(token) = call.token.filter(|_| call.meta.needs_token) {
        set("access_token", token.expose());
    }
    let signature = sign(&values, call.keys.client_secret());
    values.insert("sign".to_owned(), signature);
    serde_json::to_vec(&values)
}

fn not_sent(meta: &ApiMeta, after: Duration, why: &str) -> CallError {
    CallError::local(meta, ErrorClass::NotSent { after }, why)
}

fn transfer_failed(meta: &ApiMeta, error: &reqwest::Error) -> CallError {
    // The library's own text names the address and so is not used.
    if error.is_builder() {
        return CallError::local(meta, ErrorClass::Rejected, "the HTTP request cannot be built");
    }
    if error.is_connect() {
        return not_sent(meta, AFTER_NO_CONNECTION, "the platform cannot be reached");
    }
    let what = if error.is_timeout() { "no answer in time" } else { "the connection broke" };
    CallError::uncertain(meta, AFTER_BROKEN_TRANSFER, what)
}

#[cfg(test)]
mod tests;
