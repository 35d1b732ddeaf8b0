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
use kamiflow_app::context::{PageContext, Running, SessionView};
use kamiflow_domain::accounts::Account;
use kamiflow_domain::ctx::{ActError, Ctx, Denied};
use kamiflow_domain::list_shops::{ShopSummary, list_shops};
use kamiflow_domain::show_frame::{FrameView, show_frame};
use kamiflow_kernel::{GatewayKind, Permission, ShopId};
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

    /// Returns the platform of what is looked at: lists show pools and pauses of shops there.
    fn gateway(&self) -> GatewayKind {
        gateway_of(self.product, self.is_test, &self.shops)
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
    introduce(product, visitor, page);
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
    if let ["account", own] = segments.as_slice() {
        page.data = account::load(product, visitor, account, own).await?;
        // All others have no frame of the console, which tells of the merchant.
        if *own != "security" {
            return Ok(());
        }
    }
    let Some(ctx) = visitor.ctx() else {
        // Without a seat there is no console, but the account is still there.
        return if area == "account" { Ok(()) } else { Err(Stop::Elsewhere("/account/merchants".to_owned())) };
    };
    let (shops, is_test) = surround((product, visitor, &ctx), account, page).await?;
    if area == "console" {
        let asked = Asked { product, account, ctx: &ctx, shops, is_test, page };
        let loaded = load(&asked, &segments).await?;
        page.data = Some(loaded);
    }
    Ok(())
}

/// Counts the orders that wait for a new authorization, of the shops that are looked at.
fn waiting(frame: &FrameView) -> Option<u64> {
    let orders = frame.expired.iter().map(|(_, orders)| *orders);
    orders.map(|orders| u64::try_from(orders).unwrap_or_default()).reduce(u64::saturating_add)
}

/// Returns the shops that the member sees in the present mode, or in that of a shop which is named.
///
/// # Errors
/// When the member may not see shops, or the store fails.
pub(crate) async fn shops_of_mode(
    product: &Product,
    visitor: &Visitor,
    ctx: &Ctx,
    named: Option<ShopId>,
) -> Result<HashSet<ShopId>, Stop> {
    let shops = list_shops(&product.engine, ctx).await?;
    let is_test = mode_of(visitor, &shops, named);
    Ok(shops.iter().filter(|shop| shop.is_sandbox() == is_test).map(|shop| shop.shop).collect())
}

/// Returns the platform for whose shops something is made in the present mode.
///
/// # Errors
/// When the member may not see shops, or the store fails.
pub(crate) async fn gateway_of_mode(product: &Product, visitor: &Visitor, ctx: &Ctx) -> Result<GatewayKind, ActError> {
    let shops = list_shops(&product.engine, ctx).await?;
    Ok(gateway_of(product, looks_at_test(visitor, &shops), &shops))
}

/// Before there is a shop, what is made is for the platform that this installation reaches.
fn gateway_of(product: &Product, is_test: bool, shops: &[ShopSummary]) -> GatewayKind {
    match is_test {
        true => GatewayKind::Sandbox,
        false if shops.is_empty() => product.platform.gateway,
        false => GatewayKind::Production,
    }
}

/// Tells a page who is signed in.
fn introduce(product: &Product, visitor: &Visitor, page: &mut PageContext) {
    if let Some(account) = &visitor.account {
        page.session = Some(session_view(visitor, account));
        page.locale = account.locale;
    }
    page.inbox.clone_from(&product.inbox);
}

/// Tells a page what stands around it; returns the shops that the member sees, and whether it is about sandbox shops only.
async fn surround(
    (product, visitor, ctx): (&Product, &Visitor, &Ctx),
    account: &Account,
    page: &mut PageContext,
) -> Result<(Vec<ShopSummary>, bool), Stop> {
    let named = named_shop(page);
    let frame = show_frame(&product.engine, ctx, account, |shops| mode_of(visitor, shops, named)).await?;
    let is_test = frame.is_test;
    if let Some(session) = &mut page.session {
        session.merchants = frame.elsewhere.iter().map(|seat| (seat.merchant_name.clone(), seat.merchant)).collect();
        session.is_test = is_test;
        session.waiting_for_authorization = waiting(&frame);
        session.shops_without_authorization = frame.expired.len();
        session.need_person = u64::try_from(frame.need_person).unwrap_or_default();
        session.running = frame.has_live.then_some(Running { read_at: frame.last_read_at });
        session.paused = frame.pauses;
    }
    Ok((frame.shops, is_test))
}

/// Prepares a page that answers a form itself, about one of the member's shops or about all of them.
///
/// # Errors
/// When the store fails.
pub(crate) async fn prepare_answer(
    (product, visitor, ctx): (&Product, &Visitor, &Ctx),
    page: &mut PageContext,
) -> Result<Vec<ShopSummary>, Stop> {
    introduce(product, visitor, page);
    let Some(account) = &visitor.account else { return Ok(Vec::new()) };
    let (shops, _is_test) = surround((product, visitor, ctx), account, page).await?;
    Ok(shops)
}

/// Returns the shop that an address names: `/console/shops/{shop}…`, or `?shop=` of a list.
fn named_shop(page: &PageContext) -> Option<ShopId> {
    let in_path = page.path.strip_prefix("/console/shops/").and_then(|rest| rest.split('/').next());
    let in_query = page.query.get("shop").map(String::as_str);
    [in_path, in_query].into_iter().flatten().find_map(|text| text.parse().ok())
}

/// Returns whether sandbox shops are looked at. What names a shop is about its mode: nothing of the other is beside it.
fn mode_of(visitor: &Visitor, shops: &[ShopSummary], named: Option<ShopId>) -> bool {
    let named = shops.iter().find(|shop| Some(shop.shop) == named);
    named.map_or_else(|| looks_at_test(visitor, shops), ShopSummary::is_sandbox)
}

fn looks_at_test(visitor: &Visitor, shops: &[ShopSummary]) -> bool {
    match visitor.mode {
        Some(mode) => mode == Mode::Test,
        // Somebody who has tried nothing but sandbox shops is looking for those.
        None => !shops.is_empty() && shops.iter().all(ShopSummary::is_sandbox),
    }
}

/// Which loader is whose.
async fn load(asked: &Asked<'_>, segments: &[&str]) -> Result<Loaded, Stop> {
    Ok(match segments {
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
        ["console", "shops", shop, "keys"] => shops::keys(asked, shop).await?,
        ["console", "shops", shop, "outside"] => shops::outside(asked, shop).await?,
        ["console", "shops", shop, "trial"] => shops::trial(asked, shop).await?,
        ["console", "verification"] => verification::load(asked).await?,
        ["console", "orders"] => orders::list(asked).await?,
        ["console", "shops", shop, "orders", order_sn] => orders::one(asked, shop, order_sn).await?,
        _ => return Err(Stop::NotFound),
    })
}

fn session_view(visitor: &Visitor, account: &Account) -> SessionView {
    let present = account.seat.as_ref();
    let permissions = visitor.ctx().map_or_else(Vec::new, |ctx| {
        Permission::ALL.iter().copied().filter(|permission| ctx.may(*permission)).collect()
    });
    SessionView {
        merchant: present.map(|seat| seat.merchant_name.clone()).unwrap_or_default(),
        member: if account.name.is_empty() { account.login.to_string() } else { account.name.clone() },
        permissions,
        closes_at: present.and_then(|seat| seat.closes_at),
        has_sudo: account.sudo_until.is_some_and(|until| visitor.visit.now < until),
        has_second_factor: account.has_second_factor,
        // What stands around a page of the console is read for those alone.
        ..SessionView::default()
    }
}

/// Returns what a loader read as the frame passes it on.
fn shown<T: Any + Send + Sync>(view: T) -> Loaded {
    Arc::new(view)
}
