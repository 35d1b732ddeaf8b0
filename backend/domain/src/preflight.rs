//! Will this shop deliver? Everything that must be right before it goes live, each with the one thing that cures it.
//!
//! A check is a code and never a text: pages and programs put it into words. Nothing here changes anything but the
//! clock and the mall being asked for; who looks again within half a minute is told what the platform said before.

mod goods;
mod platform;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{GatewayKind, MerchantId, Permission, PoolId, ShopId, ShopState, SkuId};
use kamiflow_store::token_lives::TokenLifeRow;
use kamiflow_store::{StoreError, TenantTx, notification_addresses, shops, token_lives};

use crate::connection_routes::{Granted, NeededFor, grants};
use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;
use crate::shop_access::{self, Shop};
use crate::verification;

/// A token that ends within it is renewed first.
const LEAST_LIFE: TimeDelta = TimeDelta::hours(1);

/// What was looked at. Codes are API: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CheckCode {
    /// The shop is connected and not stopped.
    Shop,
    /// The application may call.
    Application,
    /// The mall can be read with the shop's token.
    Credentials,
    /// The token lives for a while.
    TokenLife,
    /// Permission level read 1 of the token lives.
    TokenR1,
    /// Permission level read 2.
    TokenR2,
    /// Permission level write 1.
    TokenW1,
    /// Permission level write 2.
    TokenW2,
    /// An API that the shop needs is granted.
    Api,
    /// The platform's clock and ours agree.
    Clock,
    /// Products were read.
    Products,
    /// A virtual SKU on sale is mapped.
    Mapping,
    /// A pool or the platform's stock that a SKU draws from has cards.
    Stock,
    /// There is a rule for redeeming what SKUs say is redeemed.
    Rule,
    /// Somebody is told when a person is needed.
    NotificationAddress,
    /// The merchant is verified.
    Verification,
}

impl CheckCode {
    /// Returns the stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Shop => "shop.works",
            Self::Application => "application.works",
            Self::Credentials => "credentials.work",
            Self::TokenLife => "token.lives",
            Self::TokenR1 => "token.r1",
            Self::TokenR2 => "token.r2",
            Self::TokenW1 => "token.w1",
            Self::TokenW2 => "token.w2",
            Self::Api => "api.granted",
            Self::Clock => "clock.agrees",
            Self::Products => "products.read",
            Self::Mapping => "sku.mapped",
            Self::Stock => "stock.there",
            Self::Rule => "rule.there",
            Self::NotificationAddress => "notification.address",
            Self::Verification => "merchant.verified",
        }
    }
}

/// What a check is about, beside the shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum About {
    /// The shop as a whole.
    Shop,
    /// An API.
    Api(&'static str),
    /// A SKU, as people call it.
    Sku {
        /// Which.
        sku: SkuId,
        /// Product and SKU.
        name: String,
    },
    /// A pool.
    Pool {
        /// Which.
        pool: PoolId,
        /// As the merchant named it.
        name: String,
    },
}

/// The one thing that cures what fails: a page of ours. Codes are API: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cure {
    /// Authorize the mall anew.
    Reauthorize,
    /// Enter the application's keys anew, or have it set on line on the platform.
    EnterKeys,
    /// Have the operator put the hosted application right: its keys are nobody else's.
    AskOperator,
    /// Apply for the permission package on the platform, then authorize anew.
    ApplyForPackage,
    /// Look at the shop: somebody stopped it, or the platform did.
    LookAtShop,
    /// Try again in a while: the platform did not answer.
    TryAgain,
    /// Have the operator set the clock of this installation right.
    SetClock,
    /// Read the products now.
    SyncProducts,
    /// Say what is done with the SKU.
    MapSku,
    /// Load cards into the pool.
    AddStock,
    /// Choose a rule for redemption.
    ChooseRule,
    /// Say where news go.
    SetAddress,
    /// Submit the identity.
    Verify,
}

impl Cure {
    const ALL: [Self; 13] = [
        Self::Reauthorize,
        Self::EnterKeys,
        Self::AskOperator,
        Self::ApplyForPackage,
        Self::LookAtShop,
        Self::TryAgain,
        Self::SetClock,
        Self::SyncProducts,
        Self::MapSku,
        Self::AddStock,
        Self::ChooseRule,
        Self::SetAddress,
        Self::Verify,
    ];

    /// Returns the stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reauthorize => "reauthorize",
            Self::EnterKeys => "enter_keys",
            Self::AskOperator => "ask_operator",
            Self::ApplyForPackage => "apply_for_package",
            Self::LookAtShop => "look_at_shop",
            Self::TryAgain => "try_again",
            Self::SetClock => "set_clock",
            Self::SyncProducts => "sync_products",
            Self::MapSku => "map_sku",
            Self::AddStock => "add_stock",
            Self::ChooseRule => "choose_rule",
            Self::SetAddress => "set_address",
            Self::Verify => "verify",
        }
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at.
    pub code: CheckCode,
    /// Of what.
    pub about: About,
    /// What cures it; `None` is green.
    pub cure: Option<Cure>,
}

impl Check {
    const fn of_shop(code: CheckCode, cure: Option<Cure>) -> Self {
        Self { code, about: About::Shop, cure }
    }

    fn failing(failing: bool, code: CheckCode, cure: Cure) -> Self {
        Self::of_shop(code, failing.then_some(cure))
    }
}

/// How old the platform's answers may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It is asked now.
    Now,
    /// What it said within the last half a minute will do, for pages that somebody may open again and again.
    Lately,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Preflight {
    /// Whether all is green.
    pub ready: bool,
    /// The checks, in the order somebody would cure them.
    pub checks: Vec<Check>,
}

/// Looks whether a shop will deliver.
///
/// # Errors
/// When the actor may not look at shops; [`StoreError::NotFound`] for another merchant's shop.
pub async fn preflight(engine: &Engine, ctx: &Ctx, shop: ShopId, freshness: Freshness) -> Result<Preflight, ActError> {
    ctx.require(Permission::ShowShops)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = shops::fetch(&mut tx, shop).await?;
    let opened = shop_access::open(&tx, shop).await?;
    let life = token_lives::list(&mut tx, Some(shop), 1).await?.pop().ok_or(StoreError::NotFound("shop"))?;
    let goods = goods::look(&mut tx, shop, ctx.now).await?;
    let merchant = of_merchant(&mut tx, row.gateway).await?;
    let known = match freshness {
        Freshness::Now => None,
        Freshness::Lately => platform::find(&mut tx, ctx, &opened).await?,
    };
    tx.commit().await?;

    let works = matches!(row.state, ShopState::TrialRun | ShopState::Live);
    let mut checks = vec![
        Check::failing(!works, CheckCode::Shop, Cure::LookAtShop),
        Check::failing(opened.application_stopped, CheckCode::Application, Cure::EnterKeys),
    ];
    checks.extend(match known {
        Some(known) => known,
        None => platform::ask(engine, ctx, &opened).await?,
    });
    checks.extend(of_token(&life, ctx.now));
    checks.extend(of_apis(&life, &opened, &goods.needs));
    checks.extend(goods.checks);
    checks.extend(merchant);
    if row.application_owner == MerchantId::PLATFORM {
        // Keys of ours cannot be entered by a merchant.
        for check in checks.iter_mut().filter(|check| check.cure == Some(Cure::EnterKeys)) {
            check.cure = Some(Cure::AskOperator);
        }
    }
    Ok(Preflight { ready: checks.iter().all(|check| check.cure.is_none()), checks })
}

/// The real lives of token and permission levels; a level that the platform did not name lives as long as the token.
fn of_token(life: &TokenLifeRow, now: DateTime<Utc>) -> Vec<Check> {
    let ends = |at: DateTime<Utc>| life.dead_reason.is_some() || at - LEAST_LIFE <= now;
    let levels = life.levels();
    let level =
        |code, at: Option<DateTime<Utc>>| Check::failing(ends(at.unwrap_or(life.expires_at)), code, Cure::Reauthorize);
    vec![
        level(CheckCode::TokenLife, None),
        level(CheckCode::TokenR1, levels.r1),
        level(CheckCode::TokenR2, levels.r2),
        level(CheckCode::TokenW1, levels.w1),
        level(CheckCode::TokenW2, levels.w2),
    ]
}

/// Only what this shop's goods need is asked for; what the platform has not named shows when it is called.
fn of_apis(life: &TokenLifeRow, shop: &Shop, needs: &[NeededFor]) -> Vec<Check> {
    grants(&life.scopes, &shop.denied_apis)
        .into_iter()
        .filter(|grant| grant.needed_for == NeededFor::Everything || needs.contains(&grant.needed_for))
        .map(|grant| Check {
            code: CheckCode::Api,
            about: About::Api(grant.api),
            cure: (grant.granted == Granted::Missing).then_some(Cure::ApplyForPackage),
        })
        .collect()
}

async fn of_merchant(tx: &mut TenantTx, gateway: GatewayKind) -> Result<Vec<Check>, StoreError> {
    let address = notification_addresses::find(tx).await?;
    let mut checks = vec![Check::failing(address.is_none(), CheckCode::NotificationAddress, Cure::SetAddress)];
    if gateway == GatewayKind::Production {
        let unverified = verification::is_approved(tx).await?.is_err();
        checks.push(Check::failing(unverified, CheckCode::Verification, Cure::Verify));
    }
    Ok(checks)
}
