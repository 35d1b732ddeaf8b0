//! What only the platform can say: whether the shop's token opens its mall, and whether its clock and ours agree.

use chrono::TimeDelta;
use kamiflow_store::platform_looks::{self, PlatformLook};
use kamiflow_store::{StoreError, TenantTx};

use super::{Check, CheckCode, Cure};
use crate::ctx::Ctx;
use crate::engine::Engine;
use crate::marketplace::{ErrorClass, MarketError};
use crate::shop_access::Shop;

/// Beyond it evidence looks old, and the platform refuses signatures at ten minutes (protocol 1.8).
const MOST_SKEW: TimeDelta = TimeDelta::seconds(60);
/// So long an answer is kept: a page that is opened again and again must not use up the shop's calls.
const KEPT_FOR: TimeDelta = TimeDelta::seconds(30);
/// Who is told to try again tries again, and not the answer that said so.
const FAILURE_KEPT_FOR: TimeDelta = TimeDelta::seconds(3);

/// Returns what the platform said lately, if it was asked with the token that the shop has now.
pub(super) async fn find(tx: &mut TenantTx, ctx: &Ctx, shop: &Shop) -> Result<Option<Vec<Check>>, StoreError> {
    let look = platform_looks::find(tx, shop.access.shop).await?;
    let Some(look) = look.filter(|look| look.token_version == shop.access.token_version) else { return Ok(None) };
    let (credentials, clock) = (cure_named(look.credentials.as_deref()), cure_named(look.clock.as_deref()));
    let has_failed = [credentials, clock].contains(&Some(Cure::TryAgain));
    let kept_for = if has_failed { FAILURE_KEPT_FOR } else { KEPT_FOR };
    Ok((ctx.now - look.looked_at < kept_for).then(|| checks(credentials, clock)))
}

/// Reads the mall and the clock, which proves more than any row; and keeps what was seen.
pub(super) async fn ask(engine: &Engine, ctx: &Ctx, shop: &Shop) -> Result<Vec<Check>, StoreError> {
    let mall = engine.market.mall(&shop.access).await;
    let credentials = match &mall {
        Ok(mall) if mall.mall_id == shop.access.mall => None,
        Ok(_) => Some(Cure::Reauthorize),
        Err(error) => Some(cure_of(error)),
    };
    let asked = engine.now();
    let theirs = engine.market.time(&shop.access.application).await;
    let answered = engine.now();
    let clock = match theirs {
        // The platform tells whole seconds, and read its clock somewhere between question and answer.
        Ok(theirs) if theirs + MOST_SKEW < asked || theirs - MOST_SKEW > answered => Some(Cure::SetClock),
        Ok(_) => None,
        Err(error) => Some(cure_of(&error)),
    };
    let name = |cure: Option<Cure>| cure.map(|cure| cure.as_str().to_owned());
    let look = PlatformLook {
        looked_at: ctx.now,
        token_version: shop.access.token_version,
        credentials: name(credentials),
        clock: name(clock),
    };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    platform_looks::upsert(&mut tx, shop.access.shop, &look).await?;
    tx.commit().await?;
    Ok(checks(credentials, clock))
}

fn checks(credentials: Option<Cure>, clock: Option<Cure>) -> Vec<Check> {
    vec![Check::of_shop(CheckCode::Credentials, credentials), Check::of_shop(CheckCode::Clock, clock)]
}

/// A name that this program does not know still says that something is wrong.
fn cure_named(name: Option<&str>) -> Option<Cure> {
    let name = name?;
    Some(Cure::ALL.into_iter().find(|cure| cure.as_str() == name).unwrap_or(Cure::TryAgain))
}

const fn cure_of(error: &MarketError) -> Cure {
    match error.class {
        ErrorClass::Reauthorize => Cure::Reauthorize,
        ErrorClass::StopApplication => Cure::EnterKeys,
        ErrorClass::StopApi => Cure::ApplyForPackage,
        ErrorClass::StopMall => Cure::LookAtShop,
        ErrorClass::RetryLater
        | ErrorClass::Rejected
        | ErrorClass::AlreadyDone
        | ErrorClass::NotFound
        | ErrorClass::OutcomeUnknown
        | ErrorClass::NotSent => Cure::TryAgain,
    }
}
