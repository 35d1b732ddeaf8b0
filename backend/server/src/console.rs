//! What pages behind the log-in show: one loader per page, called by the frame before the page is rendered.
//!
//! A loader calls use cases with the member's own circumstances and returns the page's own type from
//! [`kamiflow_app::views`]; the page finds it by `context::data`. So permissions are asked in one place, the use case, and
//! a page that somebody may not see is never rendered.
//!
//! To add a page: its type in `kamiflow_app::views`, its route in `kamiflow_app::routes`, a loader in a file here, and a
//! line in [`load`].

mod account;
mod api;
mod connect;
mod orders;
mod overview;
mod pauses;
mod rules;
mod shops;
mod staff;
mod stock;
mod team;
mod verification;

use std::any::Any;
use std::collections::HashSet;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use kamiflow_app::context::{PageContext, SessionView};
use kamiflow_domain::accounts::switch_merchant::list_merchants;
use kamiflow_domain::accounts::{Account, Visit};
use kamiflow_domain::connection_tokens::{TokenLife, Urgency, list_token_lives};
use kamiflow_domain::ctx::{ActError, Ctx, Denied};
use kamiflow_domain::list_shops::{ShopSummary, list_shops};
use kamiflow_domain::pause::PauseScope;
use kamiflow_domain::show_pauses::{Which, show_pauses};
use kamiflow_kernel::{Permission, ShopId};
use kamiflow_store::StoreError;

pub(crate) use self::connect::session_of;
pub(crate) use self::staff::{HOME as STAFF_HOME, LOG_IN as STAFF_LOG_IN};
pub(crate) use self::team::audit_page;

use crate::forms::flash;
use crate::product::Product;
use crate::visitor::{Mode, Visitor, is_for_staff};
use crate::web::{failed, log_in_path, refuse};

/// What a page shows.
type Loaded = Arc<dyn Any + Send + Sync>;

/// Why a page is not shown.
#[derive(Debug)]
pub(crate) enum Stop {
    /// Somebody must do something else first.
    Elsewhere(String),
    /// The role does not permit it.
    Forbidden,
    /// It is not there, or not for this merchant.
    NotFound,
    /// The store failed.
    Failed(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            other => Self::Failed(other),
        }
    }
}

impl From<ActError> for Stop {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Denied(_) => Self::Forbidden,
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<Denied> for Stop {
    fn from(_: Denied) -> Self {
        Self::Forbidden
    }
}

impl Stop {
    /// Returns the answer instead of the page.
    pub(crate) fn answer(self, request: &HttpRequest) -> HttpResponse {
        match self {
            Self::Elsewhere(path) => flash::done(&path),
            Self::Forbidden => refuse(request, StatusCode::FORBIDDEN, "permission.missing"),
            Self::NotFound => refuse(request, StatusCode::NOT_FOUND, "resource.unknown"),
            Self::Failed(cause) => failed(request, &cause),
        }
    }
}

/// What a loader works with.
struct Asked<'a> {
    product: &'a Product,
    account: &'a Account,
    visit: &'a Visit,
    ctx: &'a Ctx,
    /// All shops the member sees, whatever the mode.
    shops: Vec<ShopSummary>,
    /// Whether only sandbox shops are looked at.
    is_test: bool,
    page: &'a PageContext,
}

impl Asked<'_> {
    /// Returns the shops of the present mode.
    fn shops(&self) -> impl Iterator<Item = &ShopSummary> {
        self.shops.iter().filter(|shop| shop.is_sandbox() == self.is_test)
    }

    /// Returns a value of the query, if it is there and not empty.
    fn query(&self, name: &str) -> Option<&str> {
        self.page.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Sends visitors to the log-in, and prepares what the page shows.
///
/// # Errors
/// When something else is shown instead.
pub(crate) async fn prepare(product: &Product, visitor: &Visitor, page: &mut PageContext) -> Result<(), Stop> {
    introduce(product, visitor, page).await?;
    let path = page.path.clone();
    if is_for_staff(&path) {
        return staff::prepare(product, visitor, page).await;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    // Who joins or authorizes by a link need not be logged in.
    match segments.as_slice() {
        ["join"] => {
            let token = page.query.get("token").cloned().unwrap_or_default();
            page.data = Some(team::offer(product, &visitor.visit, &token, visitor.account.is_some()).await?);
        }
        ["help", "api"] => page.data = Some(api::reference()),
        ["authorize", token] => page.data = Some(connect::by_link(product, token).await?),
        _ if path == connect::CALLBACK => page.data = Some(connect::take(product, visitor, page).await?),
        _ => {}
    }
    if path == connect::CALLBACK {
        return Ok(());
    }
    let Some(area @ ("console" | "account")) = segments.first().copied() else { return Ok(()) };
    let Some(account) = &visitor.account else { return Err(Stop::Elsewhere(log_in_path(&path))) };
    if account.must_change_password && path != "/account/password" {
        return Err(Stop::Elsewhere("/account/password".to_owned()));
    }
    if segments == ["account", "merchants"] {
        page.data = Some(account::merchants(product, visitor, account).await?);
        return Ok(());
    }
    let Some(ctx) = visitor.ctx() else {
        // Without a seat there is no console, but the account is still there.
        return if area == "account" { Ok(()) } else { Err(Stop::Elsewhere("/account/merchants".to_owned())) };
    };
    let shops = list_shops(&product.engine, &ctx).await?;
    let is_test = looks_at_test(visitor, &shops);
    if let Some(session) = &mut page.session {
        session.is_test = is_test;
        session.paused = show_pauses(&product.engine, &ctx, Which::Of(PauseScope::Merchant)).await?.0;
        session.waiting_for_authorization = waiting(product, &ctx, &shops, is_test).await?;
    }
    let asked = Asked { product, account, visit: &visitor.visit, ctx: &ctx, shops, is_test, page };
    let loaded = load(&asked, &segments).await?;
    page.data = loaded;
    Ok(())
}

/// Counts the orders that wait for a new authorization, of the shops that are looked at.
async fn waiting(product: &Product, ctx: &Ctx, shops: &[ShopSummary], is_test: bool) -> Result<Option<u64>, Stop> {
    let is_looked_at =
        |life: &&TokenLife| shops.iter().any(|shop| shop.shop == life.shop && shop.is_sandbox() == is_test);
    let lives = list_token_lives(&product.engine, ctx).await?;
    let expired: Vec<&TokenLife> =
        lives.iter().filter(|life| life.urgency == Urgency::Expired).filter(is_looked_at).collect();
    let orders = expired.iter().map(|life| u64::try_from(life.waiting).unwrap_or_default()).sum();
    Ok((!expired.is_empty()).then_some(orders))
}

/// Returns the shops that the member sees in the present mode.
///
/// # Errors
/// When the member may not see shops, or the store fails.
pub(crate) async fn shops_of_mode(product: &Product, visitor: &Visitor, ctx: &Ctx) -> Result<HashSet<ShopId>, Stop> {
    let shops = list_shops(&product.engine, ctx).await?;
    let is_test = looks_at_test(visitor, &shops);
    Ok(shops.iter().filter(|shop| shop.is_sandbox() == is_test).map(|shop| shop.shop).collect())
}

/// Tells a page who is signed in.
async fn introduce(product: &Product, visitor: &Visitor, page: &mut PageContext) -> Result<(), Stop> {
    if let Some(account) = &visitor.account {
        page.session = Some(session_view(product, visitor, account).await?);
        page.locale = account.locale;
    }
    page.inbox.clone_from(&product.inbox);
    Ok(())
}

/// Prepares a page that answers a form itself, about one of the member's shops or about all of them.
///
/// # Errors
/// When the store fails.
pub(crate) async fn prepare_answer(
    (product, visitor, ctx): (&Product, &Visitor, &Ctx),
    page: &mut PageContext,
) -> Result<Vec<ShopSummary>, Stop> {
    introduce(product, visitor, page).await?;
    let shops = list_shops(&product.engine, ctx).await?;
    if let Some(session) = &mut page.session {
        session.is_test = looks_at_test(visitor, &shops);
    }
    Ok(shops)
}

fn looks_at_test(visitor: &Visitor, shops: &[ShopSummary]) -> bool {
    match visitor.mode {
        Some(mode) => mode == Mode::Test,
        // Somebody who has tried nothing but sandbox shops is looking for those.
        None => !shops.is_empty() && shops.iter().all(ShopSummary::is_sandbox),
    }
}

/// Which loader is whose; `None` for a page that shows nothing of the merchant's.
async fn load(asked: &Asked<'_>, segments: &[&str]) -> Result<Option<Loaded>, Stop> {
    Ok(Some(match segments {
        ["console"] => overview::load(asked).await?,
        ["console", "api"] => api::tokens(asked).await?,
        ["console", "audit"] => team::audit(asked).await?,
        ["console", "notifications"] => stock::notifications(asked).await?,
        ["console", "pauses"] => pauses::list(asked).await?,
        ["console", "pauses", target] => pauses::one(asked, target).await?,
        ["console", "pools"] => stock::pools(asked).await?,
        ["console", "pools", pool] => stock::pool(asked, pool).await?,
        ["console", "products"] => stock::products(asked).await?,
        ["console", "rules"] => rules::load(asked).await?,
        ["console", "team"] => team::team(asked).await?,
        ["console", "team", "leave"] => team::leaving(asked).await?,
        ["console", "team", user] => team::seat(asked, user).await?,
        ["console", "export"] => team::export(asked)?,
        ["console", "merchant"] => team::merchant(asked)?,
        ["console", "shops"] => shops::list(asked).await?,
        ["console", "shops", "authorize"] => connect::authorize(asked).await?,
        ["console", "shops", "new"] => connect::wizard(asked).await?,
        ["console", "shops", "tokens"] => connect::tokens(asked).await?,
        ["console", "shops", shop] => shops::show(asked, shop).await?,
        ["console", "shops", shop, "connected"] => connect::connected(asked, shop).await?,
        ["console", "shops", shop, "disconnect"] => shops::disconnection(asked, shop).await?,
        ["console", "shops", shop, "trial"] => shops::trial(asked, shop).await?,
        ["console", "verification"] => verification::load(asked).await?,
        ["console", "orders"] => orders::list(asked).await?,
        ["console", "shops", shop, "orders", order_sn] => orders::one(asked, shop, order_sn).await?,
        ["account", "security"] => account::security(asked).await?,
        ["account", ..] => return Ok(None),
        _ => return Err(Stop::NotFound),
    }))
}

async fn session_view(product: &Product, visitor: &Visitor, account: &Account) -> Result<SessionView, Stop> {
    let seats = list_merchants(&product.accounts, account).await?;
    let present = account.seat.as_ref();
    let merchants = seats
        .into_iter()
        .filter(|seat| present.is_none_or(|present| present.merchant != seat.merchant))
        .map(|seat| (seat.merchant_name, seat.merchant))
        .collect();
    let permissions = visitor.ctx().map_or_else(Vec::new, |ctx| {
        Permission::ALL.iter().copied().filter(|permission| ctx.may(*permission)).collect()
    });
    Ok(SessionView {
        merchant: present.map(|seat| seat.merchant_name.clone()).unwrap_or_default(),
        merchants,
        member: if account.name.is_empty() { account.login.to_string() } else { account.name.clone() },
        permissions,
        is_test: false,
        waiting_for_authorization: None,
        paused: Vec::new(),
        closes_at: present.and_then(|seat| seat.closes_at),
        has_sudo: account.sudo_until.is_some_and(|until| visitor.visit.now < until),
        has_second_factor: account.has_second_factor,
    })
}

/// Returns what a loader read as the frame passes it on.
fn shown<T: Any + Send + Sync>(view: T) -> Loaded {
    Arc::new(view)
}
