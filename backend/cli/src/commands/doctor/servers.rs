//! What is asked of Redis and of the platform.

use std::time::Duration;

use anyhow::Result;
use kamiflow_domain::doctor::{self, Finding};
use kamiflow_domain::marketplace::{ApplicationAccess, ErrorClass};
use kamiflow_domain::shop_access;
use kamiflow_kernel::{Clock as _, GatewayKind, ShopState};
use kamiflow_queue::Queue;
use kamiflow_runtime::clock::SystemClock;
use kamiflow_runtime::config::Gateway;
use kamiflow_store::{Store, StoreError, shops, system};

use crate::console::chain;
use crate::platform::Platform;
use crate::trouble;

/// The oldest Redis whose commands the queue uses.
const OLDEST_REDIS: u32 = 7;
/// Shops of a merchant among which one is looked for that the gateway can be asked with.
const SHOPS: i64 = 20;

/// Looks at Redis' version and at what it does when its memory is full.
pub(super) async fn redis(queue: &Queue) -> Vec<Finding> {
    let mut findings = vec![Finding::ok("redis", format!("{} answers", queue.place()))];
    findings.push(match queue.server_version().await {
        Ok(version) => {
            let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
            let text = format!("Redis {version}");
            if major.is_some_and(|major| major >= OLDEST_REDIS) {
                Finding::ok("redis.version", text)
            } else {
                Finding::fail("redis.version", text, "move to Redis 7 or newer")
            }
        }
        Err(error) => {
            Finding::fail("redis.version", trouble::told(&error), "permit INFO to the user of KAMIFLOW_REDIS_URL")
        }
    });
    findings.push(match queue.check_policy().await {
        Ok(policy) if policy.is_noeviction() => Finding::ok("redis.policy", "maxmemory-policy noeviction"),
        Ok(policy) => {
            let text = format!("maxmemory-policy is {}: a full Redis would forget work and limits", policy.policy);
            let cure = "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf";
            Finding::fail("redis.policy", text, cure)
        }
        Err(error) => {
            Finding::fail("redis.policy", trouble::told(&error), "permit INFO to the user of KAMIFLOW_REDIS_URL")
        }
    });
    findings
}

/// Asks each gateway for its time, with the application of a shop that works.
pub(super) async fn gateway(gateway: &Gateway, store: &Store, queue: &Queue) -> Vec<Finding> {
    let mut findings = one_gateway(gateway, gateway.endpoint.kind(), (store, queue)).await;
    if gateway.beside.is_some() {
        findings.extend(one_gateway(gateway, GatewayKind::Sandbox, (store, queue)).await);
    }
    findings
}

async fn one_gateway(gateway: &Gateway, kind: GatewayKind, (store, queue): (&Store, &Queue)) -> Vec<Finding> {
    let access = match any_application(store, kind).await {
        Ok(Some(access)) => access,
        Ok(None) => {
            let cure = "connect a shop, then run this again";
            let text = format!("{} was not asked: no shop is connected there yet", kind.as_str());
            return vec![Finding::warn("gateway", text, cure)];
        }
        Err(error) => {
            let text = format!("no application could be read: {}", trouble::told(&error));
            return vec![Finding::fail("gateway", text, "mend what else fails here, then run this again")];
        }
    };
    match ask(gateway, store, queue, &access).await {
        Ok(findings) => findings,
        Err(error) => vec![Finding::fail("gateway", chain(&error), "correct the variables KAMIFLOW_GATEWAY_…")],
    }
}

async fn ask(gateway: &Gateway, store: &Store, queue: &Queue, access: &ApplicationAccess) -> Result<Vec<Finding>> {
    let platform =
        Platform { gateway, poll_ceiling: Duration::from_secs(300), card_key: None, inside_platform_cloud: false };
    let engine = platform.engine(store.clone(), Some(queue))?;
    let asked = SystemClock.now();
    let answer = engine.market.time(access).await;
    let answered = SystemClock.now();
    Ok(match answer {
        Ok(theirs) => vec![
            Finding::ok(
                "gateway",
                format!("{} answers in {} ms", access.gateway.as_str(), (answered - asked).num_milliseconds()),
            ),
            // The platform tells whole seconds.
            doctor::clock(
                "clock.platform",
                "the platform's clock",
                theirs,
                answered,
                answered - asked + chrono::TimeDelta::seconds(1),
            ),
        ],
        Err(error) => {
            let text = format!("it was asked for its time and {error}");
            let cure = if matches!(error.class, ErrorClass::OutcomeUnknown | ErrorClass::NotSent) {
                "see that this machine reaches the gateway: name resolution, firewall, KAMIFLOW_GATEWAY_URL"
            } else {
                "see what the platform's code means in its console, and correct the application there or here"
            };
            vec![Finding::fail("gateway", text, cure)]
        }
    })
}

/// Opens the application of the first shop that is connected through this gateway.
async fn any_application(store: &Store, kind: GatewayKind) -> Result<Option<ApplicationAccess>, StoreError> {
    // Ids of merchants; a shop is then read in its merchant's own transaction.
    let mut tx = store.system_tx().await?;
    let merchants = system::list_merchants(&mut tx).await?;
    tx.commit().await?;
    for merchant in merchants {
        let tx = store.tenant_tx(merchant).await?;
        let shops = shops::list(&tx, None, SHOPS).await?;
        for shop in shops.into_iter().filter(|shop| shop.state != ShopState::Disconnected) {
            match shop_access::open(&tx, shop.id).await {
                Ok(open) if open.access.application.gateway == kind => return Ok(Some(open.access.application)),
                // Of another gateway, or without tokens.
                Ok(_) | Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error),
            }
        }
        tx.commit().await?;
    }
    Ok(None)
}
