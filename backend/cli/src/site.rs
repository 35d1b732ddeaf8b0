//! The web application put together: who people are, what they work with, and the sandbox that merchants may try.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use kamiflow_domain::accounts::access_token::AccessKeys;
use kamiflow_domain::accounts::password::{HashCost, PasswordHasher};
use kamiflow_domain::accounts::{Accounts, AccountsConfig};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_kernel::{GatewayKind, MerchantId, SecretBytes, SecretText};
use kamiflow_queue::Queue;
use kamiflow_runner::{SharedThrottle, Waker};
use kamiflow_runtime::config::{Api, Auth, Gateway};
use kamiflow_server::{ApiLimits, Product, SandboxDesk};

use crate::platform;
use crate::sandbox_control::Control;

/// The id of the key that a process makes for itself.
const OWN_KEY: &str = "own";
/// How the sandbox's applications are described; the platform's own word for a merchant's back office.
const APP_TYPE: &str = "商家后台系统";

/// Returns what the pages work with, but for the address that links begin with.
///
/// # Errors
/// When a setting is out of bounds, or the store fails.
pub(crate) async fn product(
    auth: &Auth,
    api: Api,
    gateway: &Gateway,
    engine: &Engine,
    queue: &Queue,
) -> Result<Product> {
    let cost = HashCost { memory_kib: auth.hash_memory_kib, iterations: auth.hash_iterations, lanes: auth.hash_lanes };
    let accounts = Accounts {
        store: engine.store.clone(),
        clock: Arc::clone(&engine.clock),
        throttle: Arc::new(SharedThrottle::new(queue)),
        wakes: Arc::new(Waker::new(queue)),
        keys: access_keys(auth)?,
        hasher: Arc::new(PasswordHasher::new(cost, usize::try_from(auth.hash_at_once)?)?),
        config: Arc::new(AccountsConfig { hash_cost: cost, ..AccountsConfig::default() }),
    };
    accounts.prepare().await.context("the keys of accounts could not be made")?;
    let platform = platform::platform_pages(gateway)?;
    let (engine, waker) = (engine.clone(), Waker::new(queue));
    let api = ApiLimits { requests_per_minute: api.requests_per_minute, burst: api.burst };
    Ok(Product { accounts, engine, waker, platform, api, sandbox: None, inbox: None })
}

/// Returns the product with the address that links in mails begin with.
pub(crate) fn at(mut product: Product, base_url: &str) -> Product {
    let config = AccountsConfig { base_url: base_url.to_owned(), ..(*product.accounts.config).clone() };
    product.accounts.config = Arc::new(config);
    product
}

fn access_keys(auth: &Auth) -> Result<Arc<AccessKeys>> {
    let Some(active) = &auth.active else {
        let mut seed = vec![0; 32];
        rand::fill(seed.as_mut_slice());
        return Ok(AccessKeys::new([(OWN_KEY.to_owned(), SecretBytes::new(seed))], OWN_KEY)?);
    };
    Ok(AccessKeys::new(auth.keys.iter().map(|key| (key.id.clone(), key.bytes.clone())), active)?)
}

/// Lends a sandbox to merchants: its application is hosted for all of them.
///
/// # Errors
/// When the application is registered by a merchant already, or the store fails.
pub(crate) async fn sandbox_desk(
    engine: &Engine,
    control: Control,
    (client_id, client_secret): (&str, &SecretText),
) -> Result<SandboxDesk> {
    let ctx = Ctx {
        actor: Actor::Operator,
        merchant: MerchantId::PLATFORM,
        request_id: "serve".to_owned(),
        now: engine.now(),
    };
    let request = RegisterApplication {
        owner: ApplicationOwner::Hosted,
        gateway: GatewayKind::Sandbox,
        client_id: client_id.to_owned(),
        client_secret: client_secret.clone(),
        app_type: APP_TYPE.to_owned(),
        packages: Vec::new(),
    };
    let application = register_application(engine, &ctx, &request).await?;
    Ok(SandboxDesk { control: Arc::new(control), application })
}
