//! Brings a stopped application back: asks the platform from time to time, and tells every shop when it calls again.
//!
//! ```text
//! stopped ──probe──► refused ──► stopped, the next probe later (2 min … 1 h)
//!    │          └──► taken ───┐
//!    └── a person resumes ────┴─► active ──► every shop of every merchant: exceptions closed, work due, woken
//! ```
//! **Why a probe at all.** Most of what stops an application ends without anybody telling us: an address is put on the
//! white list (20005), a client is put on line again (10016), a secret is corrected on the platform's side (20004), a
//! daily quota is full again (70036). The probe is a read of the platform's clock: it changes nothing, needs no shop's
//! token and passes the same common checks (protocol 1.8), so an answer proves that those let the application in. It
//! does not prove that a quota is there or that a risk is gone; then the first shop to call stops the application
//! again, and because the wait grows while stops follow each other within an hour, that costs a few calls an hour.
//!
//! **Denied APIs** (20031) are not probed: permissions change by a person's application to the platform, and a call
//! that would prove one may be a hand-over. A person resumes, or registers the application anew.
//!
//! **A crash** between resuming and telling leaves this job due; telling again changes nothing.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{ApplicationId, MerchantId, ReasonCode, SecretText, ShopId};
use kamiflow_store::applications::{ApplicationRow, Resumption};
use kamiflow_store::jobs::NewJob;
use kamiflow_store::{StoreError, TenantTx, application_return, applications, jobs, shops, system};
use serde_json::json;
use tracing::{info, warn};

use crate::acts;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::marketplace::ApplicationAccess;
use crate::redeem;

/// Name of the job; its payload is `{"application": id}`, and its merchant is the application's owner. The schema's
/// `system_stop_application` plans it too.
pub const NAME: &str = "watch_application.v1";
const FIRST_WAIT: TimeDelta = TimeDelta::minutes(1);
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(1);

/// Whom to wake, of which merchants.
pub type WakesByMerchant = Vec<(MerchantId, Vec<Wake>)>;

/// What a look at an application found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Watched {
    /// It is still stopped.
    Stopped {
        /// When to probe again.
        look_again: DateTime<Utc>,
    },
    /// It calls again; its shops know.
    Active {
        /// Whom to wake.
        wakes: WakesByMerchant,
    },
}

/// Plans the job for now.
pub(crate) async fn plan(tx: &mut TenantTx, id: ApplicationId, now: DateTime<Utc>) -> Result<Wake, StoreError> {
    let key = id.as_uuid().to_string();
    let job = NewJob { name: NAME, key: &key, payload: json!({ "application": id }), due_at: now };
    Ok(Wake::Job(jobs::insert(tx, &job).await?))
}

/// Probes a stopped application of the context's merchant, and tells the shops of one that calls again.
///
/// # Errors
/// When the store fails.
pub async fn step(engine: &Engine, ctx: &Ctx, id: ApplicationId) -> Result<Watched, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = own(&mut tx, id).await?;
    let access = access(&mut tx, &row).await?;
    tx.commit().await?;
    if row.is_stopped() {
        let answer = engine.market.probe(&access).await;
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        if let Err(error) = answer {
            let probes = applications::update_probed(&mut tx, id).await?;
            tx.commit().await?;
            info!(application.id = %id, error = %error, "Application `{id}` is still stopped");
            return Ok(Watched::Stopped { look_again: engine.now() + wait(probes) });
        }
        applications::resume(&mut tx, id, Resumption::Probed, engine.now()).await?;
        acts::record(&mut tx, ctx, "application.resume", id, json!({ "by": "probe" })).await?;
        tx.commit().await?;
        warn!(application.id = %id, "Application `{id}` calls again: the platform took a call");
    }
    Ok(Watched::Active { wakes: tell(engine, id).await? })
}

/// Tells every working shop of an application that calls again; returns whom to wake.
pub(crate) async fn tell(engine: &Engine, id: ApplicationId) -> Result<WakesByMerchant, StoreError> {
    // Whose shops an application has is known across merchants only; each merchant's rows are then her own
    // transaction's.
    let mut tx = engine.store.system_tx().await?;
    let listed = system::list_shops_of_application(&mut tx, id).await?;
    tx.commit().await?;
    let mut by_merchant: BTreeMap<MerchantId, Vec<ShopId>> = BTreeMap::new();
    for owned in listed {
        by_merchant.entry(owned.merchant).or_default().push(owned.shop);
    }
    let mut wakes = Vec::with_capacity(by_merchant.len());
    for (merchant, shops) in by_merchant {
        if tell_merchant(engine, merchant, id, &shops).await? {
            let each = |shop: &ShopId| [Wake::Sync(*shop), Wake::Deliver(*shop), Wake::Redeem(*shop)];
            wakes.push((merchant, shops.iter().flat_map(each).collect()));
        }
    }
    Ok(wakes)
}

/// Returns whether the application still may call.
async fn tell_merchant(
    engine: &Engine,
    merchant: MerchantId,
    id: ApplicationId,
    shops: &[ShopId],
) -> Result<bool, StoreError> {
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let row = applications::fetch(&mut tx, id).await?;
    if row.is_stopped() {
        return Ok(false);
    }
    let resolution = "the application may call again";
    application_return::resolve_exceptions(&mut tx, shops, ReasonCode::StoppedByPlatform, resolution).await?;
    if row.denied_apis.is_empty() {
        application_return::resolve_exceptions(&mut tx, shops, ReasonCode::PermissionMissing, resolution).await?;
        application_return::revive_refused(&mut tx, shops, now).await?;
    }
    let waiting = [redeem::Reason::ShopStopped.explain(), redeem::Reason::PermissionMissing.explain()];
    application_return::bring_forward(&mut tx, shops, &waiting, now).await?;
    tx.commit().await?;
    Ok(true)
}

/// Reads an application that the transaction's merchant owns; a hosted one is not hers.
pub(crate) async fn own(tx: &mut TenantTx, id: ApplicationId) -> Result<ApplicationRow, StoreError> {
    let row = applications::fetch(tx, id).await?;
    if row.owner == tx.merchant() { Ok(row) } else { Err(StoreError::NotFound("application")) }
}

async fn access(tx: &mut TenantTx, row: &ApplicationRow) -> Result<ApplicationAccess, StoreError> {
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let secret = key.open(shops::CLIENT_SECRET, row.id.as_uuid(), &row.client_secret_sealed)?;
    let secret = String::from_utf8(secret.expose().to_vec())
        .map_err(|_bytes| StoreError::Corrupt("an application's secret is not text".to_owned()))?;
    Ok(ApplicationAccess {
        gateway: row.gateway,
        client_id: row.client_id.clone(),
        client_secret: SecretText::new(secret),
        denied_apis: Vec::new(),
    })
}

/// How long the next probe waits after so many stops and failed probes in a row; the schema counts alike.
fn wait(probes: i32) -> TimeDelta {
    let doubled = 1_i32.checked_shl(u32::try_from(probes).unwrap_or(0).min(6)).unwrap_or(64);
    (FIRST_WAIT * doubled).min(LONGEST_WAIT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_come_later_and_later_and_at_least_every_hour() {
        assert_eq!(wait(0), TimeDelta::minutes(1));
        assert_eq!(wait(1), TimeDelta::minutes(2));
        assert_eq!(wait(5), TimeDelta::minutes(32));
        for probes in [6, 7, 100, i32::MAX] {
            assert_eq!(wait(probes), TimeDelta::hours(1));
        }
    }
}
