//! The platform as this process reaches it: the engine over the gateways that the configuration names.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::BoxFuture;
use kamiflow_domain::engine::{Engine, EngineConfig, GatewayRules};
use kamiflow_domain::verification::Approval;
use kamiflow_kernel::{Clock, GatewayKind};
use kamiflow_pinduoduo::limits::{Bucket, CallBudget, Denied};
use kamiflow_pinduoduo::marketplace::{GatewayConfig, PinduoduoMarket};
use kamiflow_pinduoduo::{CardKey, ClientConfig};
use kamiflow_queue::Queue;
use kamiflow_runner::{Liveness, PushSettings, SharedBudget};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::{Gateway, GatewayEndpoint, SandboxAddress};
use kamiflow_runtime::health::Health;
use kamiflow_server::{AuthorizationPages, PlatformPages};
use kamiflow_store::Store;
use tracing::warn;
use url::Url;

use crate::exit::WrongUsage;

/// Pinduoduo's router (protocol 1.1).
const PRODUCTION_ROUTER: &str = "https://gw-api.pinduoduo.com/api/router";
/// Pinduoduo's message push (protocol 8).
const PRODUCTION_PUSH: &str = "wss://message-api.pinduoduo.com";
/// Where a mall's main account authorizes: on a computer, and on a phone.
const PRODUCTION_WEB: &str = "https://fuwu.pinduoduo.com/service-market/auth";
const PRODUCTION_PHONE: &str = "https://mai.pinduoduo.com/h5-login.html";
/// Where a sandbox serves its router, below its base address.
const SANDBOX_ROUTER: &str = "/api/router";

/// When a call is worth another try that could not be counted.
const WITHOUT_REDIS: Duration = Duration::from_secs(5);

/// What an engine needs beyond the store.
pub(crate) struct Platform<'a> {
    /// Which gateway, and how carefully.
    pub(crate) gateway: &'a Gateway,
    /// Slowest polling of an idle shop.
    pub(crate) poll_ceiling: Duration,
    /// The key that encrypts card passwords for imports; without it imports are refused.
    pub(crate) card_key: Option<CardKey>,
    /// Whether decryption is free of the limit for calls from outside the platform's cloud.
    pub(crate) inside_platform_cloud: bool,
}

impl Platform<'_> {
    /// Returns the engine. Without a queue there are no limits that all processes share, and so no calls.
    ///
    /// # Errors
    /// When an address does not parse or the HTTP library refuses the configuration.
    pub(crate) fn engine(&self, store: Store, queue: Option<&Queue>) -> Result<Engine> {
        let gateway = self.gateway;
        let budget: Arc<dyn CallBudget> = match (queue, gateway.limit_scale) {
            (None, _) => Arc::new(ClosedBudget),
            (Some(queue), 1) => Arc::new(SharedBudget::new(queue)),
            (Some(queue), scale) => Arc::new(ScaledBudget { shared: SharedBudget::new(queue), scale }),
        };
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let reached = gateway.endpoints().map(|endpoint| self.reached(&endpoint)).collect::<Result<Vec<_>>>()?;
        let market = PinduoduoMarket::new(reached, &clock, &budget)?;
        let presets = EngineConfig::default();
        let approval = if gateway.automatic_approval {
            Approval::automatic(gateway.endpoint.kind())?
        } else {
            Approval::by_staff()
        };
        let mut config = EngineConfig {
            window_max_orders: gateway.window_max_orders,
            poll_ceiling: self.poll_ceiling,
            approval,
            ..presets
        };
        // What is configured is about the gateway of real shops; a sandbox beside it keeps the presets.
        let rules = match gateway.endpoint.kind() {
            GatewayKind::Production => &mut config.production,
            GatewayKind::Sandbox => &mut config.sandbox,
        };
        *rules = GatewayRules {
            window_lag: gateway.lag,
            resend_safe: gateway.resend_safe,
            pickup_logistics_id: gateway
                .pickup_logistics_id
                .and_then(|id| i64::try_from(id).ok())
                .unwrap_or(rules.pickup_logistics_id),
        };
        Ok(Engine { store, market: Arc::new(market), clock, config: Arc::new(config) })
    }

    /// Returns how a gateway is called.
    fn reached(&self, endpoint: &GatewayEndpoint) -> Result<GatewayConfig> {
        let mut client = ClientConfig::new(endpoint.kind(), router(endpoint)?);
        client.limits.percent = self.gateway.limit_percent;
        client.limits.inside_platform_cloud = self.inside_platform_cloud;
        // The key is that of the gateway of real shops.
        let card_key = self.card_key.clone().filter(|_key| *endpoint == self.gateway.endpoint);
        Ok(GatewayConfig { client, card_key })
    }
}

/// Returns where message push is listened to; none where a sandbox is all there is and is only polled.
///
/// # Errors
/// When the address does not parse.
pub(crate) fn push(gateway: &Gateway) -> Result<Option<PushSettings>> {
    let mut settings: Option<PushSettings> = None;
    for endpoint in gateway.endpoints() {
        let url = match &endpoint {
            GatewayEndpoint::Production => PRODUCTION_PUSH,
            GatewayEndpoint::Sandbox(SandboxAddress { push_url: Some(url), .. }) => url,
            GatewayEndpoint::Sandbox(SandboxAddress { push_url: None, .. }) => continue,
        };
        let (kind, url) =
            (endpoint.kind(), Url::parse(url).with_context(|| format!("`{url}` is no address of a push server"))?);
        match &mut settings {
            Some(settings) => drop(settings.urls.insert(kind, url)),
            None => settings = Some(PushSettings::new(kind, url)),
        }
    }
    Ok(settings)
}

/// Returns the configured key for imports into the platform's stock.
///
/// # Errors
/// When the text is no key.
pub(crate) fn card_key(gateway: &Gateway) -> Result<Option<CardKey>> {
    let parsed = gateway.card_key.as_deref().map(CardKey::parse).transpose();
    Ok(parsed.map_err(|error| WrongUsage(format!("KAMIFLOW_GATEWAY_CARD_KEY_FILE holds no key: {error}")))?)
}

/// Returns the registry of loops as the runner wants it.
pub(crate) fn liveness(health: &Health) -> Liveness {
    let health = health.clone();
    Liveness::new(move |name, allowed_silence| {
        let beat = health.register(name, allowed_silence);
        Box::new(move || beat.turn())
    })
}

/// Returns the key that the sandbox takes card passwords with, or `None` where it cannot be asked: then only imports
/// into its stock are refused.
pub(crate) async fn sandbox_card_key(control: &crate::sandbox_control::Control) -> Option<CardKey> {
    match control.import_key().await {
        Ok(pem) => CardKey::parse(&pem).ok(),
        Err(error) => {
            let cause: &dyn Error = &*error;
            warn!(error = cause, "The sandbox's import key could not be read");
            None
        }
    }
}

fn router(endpoint: &GatewayEndpoint) -> Result<Url> {
    let text = match endpoint {
        GatewayEndpoint::Production => PRODUCTION_ROUTER.to_owned(),
        // What `kamiflow sandbox` prints may be given with or without the path.
        GatewayEndpoint::Sandbox(SandboxAddress { url, .. }) => {
            let base = url.trim_end_matches('/');
            format!("{}{SANDBOX_ROUTER}", base.strip_suffix(SANDBOX_ROUTER).unwrap_or(base))
        }
    };
    Url::parse(&text).with_context(|| format!("`{text}` is no address of a gateway"))
}

/// Returns the platform's pages on which the main account of a mall authorizes (protocol 2.1).
///
/// # Errors
/// When a sandbox's address is none.
pub(crate) fn platform_pages(gateway: &Gateway) -> Result<PlatformPages> {
    let pages = gateway.endpoints().map(|endpoint| Ok((endpoint.kind(), authorization_pages(&endpoint)?)));
    let authorization = pages.collect::<Result<_>>()?;
    Ok(PlatformPages { gateway: gateway.endpoint.kind(), authorization, egress_ips: Vec::new() })
}

fn authorization_pages(endpoint: &GatewayEndpoint) -> Result<AuthorizationPages> {
    let (web, phone) = match endpoint {
        GatewayEndpoint::Production => (PRODUCTION_WEB.to_owned(), PRODUCTION_PHONE.to_owned()),
        GatewayEndpoint::Sandbox(_) => {
            let at = |path| Ok::<_, anyhow::Error>(router(endpoint)?.join(path)?.into());
            (at("/service-market/auth")?, at("/h5-login.html")?)
        }
    };
    Ok(AuthorizationPages { web, phone })
}

/// A budget against a sandbox whose limits are a multiple of the platform's.
struct ScaledBudget {
    shared: SharedBudget,
    scale: u32,
}

impl CallBudget for ScaledBudget {
    fn acquire<'a>(&'a self, buckets: &'a [Bucket], max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        let scaled: Vec<Bucket> = buckets
            .iter()
            .map(|bucket| Bucket {
                permits: bucket.permits.saturating_mul(self.scale),
                burst: bucket.burst.saturating_mul(self.scale),
                ..bucket.clone()
            })
            .collect();
        Box::pin(async move { self.shared.acquire(&scaled, max_wait).await })
    }
}

/// Grants nothing.
struct ClosedBudget;

impl CallBudget for ClosedBudget {
    fn acquire<'a>(&'a self, _buckets: &'a [Bucket], _max_wait: Duration) -> BoxFuture<'a, Result<(), Denied>> {
        Box::pin(std::future::ready(Err(Denied { retry_after: WITHOUT_REDIS })))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sandboxs_router_is_found_with_and_without_its_path() {
        for url in ["http://127.0.0.1:9000", "http://127.0.0.1:9000/", "http://127.0.0.1:9000/api/router"] {
            let endpoint = GatewayEndpoint::Sandbox(SandboxAddress { url: url.to_owned(), push_url: None });
            assert_eq!(router(&endpoint).unwrap().as_str(), "http://127.0.0.1:9000/api/router");
        }
        assert_eq!(router(&GatewayEndpoint::Production).unwrap().as_str(), PRODUCTION_ROUTER);
    }
}
