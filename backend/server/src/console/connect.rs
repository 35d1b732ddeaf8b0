//! Connecting shops: the wizard, the way to the platform's page, and what comes back from there.

use kamiflow_app::context::PageContext;
use kamiflow_app::views::connect::{
    Authorize, ByLink, CameBack, Connected, LinkRefused, NotTaken, PlatformAddress, Tokens, Wizard,
};
use kamiflow_domain::accounts::Account;
use kamiflow_domain::authorization::{
    CompleteAuthorization, CompleteAuthorizationError, complete_authorization, merchant_of_state,
};
use kamiflow_domain::authorization_link::{LinkError, ctx_of_link, open_link};
use kamiflow_domain::connect_shop::ConnectShopError;
use kamiflow_domain::connection_place::{WizardPlace, find_place, keep_place};
use kamiflow_domain::connection_routes::{Route, SaleKind};
use kamiflow_domain::connection_tokens::list_token_lives;
use kamiflow_domain::list_applications::list_applications;
use kamiflow_domain::list_grants::list_grants;
use kamiflow_domain::show_shop::{ApplicationView, show_shop};
use kamiflow_kernel::{ApplicationId, GatewayKind, Permission, SecretText, ShopState};
use kamiflow_store::StoreError;
use tracing::error;

use super::shops::parsed;
use super::{Asked, Loaded, Stop, shown};
use crate::product::Product;
use crate::visitor::Visitor;

/// Where the platform sends browsers back to; applications are registered with it.
pub(crate) const CALLBACK: &str = "/console/shops/callback";

/// Asks what is sold, and shows the ways; without a step in the address, whoever has begun goes on where she stopped.
pub(super) async fn wizard(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let engine = &asked.product.engine;
    let applications = list_applications(engine, asked.ctx, asked.product.platform.gateway).await?;
    let sold = asked.query("sold").and_then(SaleKind::named);
    let route = match asked.query("route") {
        Some("hosted") => Some(Route::Hosted),
        Some("own_keys") => Some(Route::OwnKeys),
        _ => None,
    };
    if sold.is_some() || route.is_some() {
        let own_keys = route == Some(Route::OwnKeys);
        keep_place(engine, asked.ctx, WizardPlace { sold, own_keys, application: None }).await?;
    } else if let Some(path) = find_place(engine, asked.ctx).await?.and_then(|place| step_of(place, &applications)) {
        return Err(Stop::Elsewhere(path));
    }
    let address = address(asked.product, asked.product.platform.gateway)?;
    Ok(shown(Wizard { sold, route, applications, address }))
}

/// Returns the address of the step where somebody stopped; an application that is not there any more is passed over.
fn step_of(place: WizardPlace, applications: &[ApplicationView]) -> Option<String> {
    let sold = place.sold.map(SaleKind::as_str);
    match place.application.filter(|id| applications.iter().any(|known| known.application == *id)) {
        Some(application) => Some(format!("/console/shops/authorize?application={application}")),
        None if place.own_keys => Some(match sold {
            Some(sold) => format!("/console/shops/new?sold={sold}&route=own_keys"),
            None => "/console/shops/new?route=own_keys".to_owned(),
        }),
        None => sold.map(|sold| format!("/console/shops/new?sold={sold}")),
    }
}

/// Prepares the way to the platform: for a shop, or through an application for one to connect.
pub(super) async fn authorize(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    asked.ctx.require(Permission::ManageShops)?;
    let engine = &asked.product.engine;
    let shop = match asked.query("shop") {
        Some(id) => Some(show_shop(engine, asked.ctx, parsed(id)?).await?),
        None => None,
    };
    if shop.as_ref().is_some_and(|shop| shop.summary.state == ShopState::Disconnected) {
        return Err(Stop::NotFound);
    }
    let gateway = shop.as_ref().map_or(asked.product.platform.gateway, |shop| shop.summary.gateway);
    let application = match (asked.query("application"), &shop) {
        (Some(id), _) => {
            let id: ApplicationId = id.parse().map_err(|_text| Stop::NotFound)?;
            let known = list_applications(engine, asked.ctx, gateway).await?;
            known.into_iter().find(|known| known.application == id).ok_or(Stop::NotFound)?
        }
        (None, Some(shop)) => shop.application.clone(),
        (None, None) => return Err(Stop::Elsewhere("/console/shops/new".to_owned())),
    };
    if shop.is_none() {
        let place =
            WizardPlace { sold: None, own_keys: !application.is_hosted, application: Some(application.application) };
        keep_place(engine, asked.ctx, place).await?;
    }
    let address = address(asked.product, gateway)?;
    Ok(shown(Authorize { application, shop: shop.map(|shop| shop.summary), address }))
}

/// Lists what a shop's authorization granted.
pub(super) async fn connected(asked: &Asked<'_>, shop: &str) -> Result<Loaded, Stop> {
    let id = parsed(shop)?;
    let apis = list_grants(&asked.product.engine, asked.ctx, id).await?;
    let shop = asked.shops.iter().find(|known| known.shop == id).cloned().ok_or(Stop::NotFound)?;
    Ok(shown(Connected { shop, apis }))
}

/// Lists shops by the time their authorization has left.
pub(super) async fn tokens(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let mut lives = list_token_lives(&asked.product.engine, asked.ctx).await?;
    lives.retain(|life| asked.shops().any(|shop| shop.shop == life.shop));
    Ok(shown(Tokens { lives, may_renew: asked.ctx.may(Permission::ManageShops), now: asked.ctx.now }))
}

/// Opens a link; it is not used by that.
pub(super) async fn by_link(product: &Product, token: &str) -> Result<Loaded, Stop> {
    let opened = match open_link(&product.engine, &SecretText::from(token)).await {
        Ok(opened) => Ok(opened),
        Err(LinkError::Expired) => Err(LinkRefused::Expired),
        Err(LinkError::Used) => Err(LinkRefused::Used),
        Err(LinkError::Store(StoreError::NotFound(_)) | LinkError::Invalid | LinkError::OtherBrowser) => {
            Err(LinkRefused::Invalid)
        }
        Err(LinkError::Begin(_)) => Err(LinkRefused::Invalid),
        Err(LinkError::Store(error)) => return Err(Stop::Failed(error)),
    };
    let gateway = opened.as_ref().map_or(product.platform.gateway, |opened| opened.gateway);
    Ok(shown(ByLink { token: token.to_owned(), opened, address: address(product, gateway)? }))
}

/// Takes what came back from the platform: from somebody of the team, or from the holder of a link, who need not be
/// logged in.
pub(super) async fn take(product: &Product, visitor: &Visitor, page: &PageContext) -> Result<Loaded, Stop> {
    let value =
        |name: &str| page.query.get(name).filter(|value| !value.is_empty()).map(|text| SecretText::from(text.as_str()));
    let (Some(state), Some(code)) = (value("state"), value("code")) else {
        return Ok(refused(NotTaken::Incomplete, visitor));
    };
    let request = CompleteAuthorization { state, code };
    let mut why = NotTaken::OtherSession;
    if let (Some(account), Some(ctx)) = (&visitor.account, visitor.ctx()) {
        match complete_authorization(&product.engine, &ctx, &session_of(account), &request).await {
            Ok(done) => {
                product.waker.wake(ctx.merchant, &done.connected.wakes).await;
                return Err(Stop::Elsewhere(format!("/console/shops/{}/connected", done.connected.shop)));
            }
            Err(error) => why = not_taken(error)?,
        }
    }
    let is_of_another = matches!(why, NotTaken::OtherSession | NotTaken::Unknown);
    if let (true, Some(link), Some(merchant)) =
        (is_of_another, &visitor.link, merchant_of_state(request.state.expose()))
    {
        let ctx = ctx_of_link(&product.engine, merchant, &visitor.visit.request_id);
        match complete_authorization(&product.engine, &ctx, link, &request).await {
            Ok(done) => {
                product.waker.wake(merchant, &done.connected.wakes).await;
                return Ok(shown(CameBack { not_taken: None, is_member: visitor.account.is_some() }));
            }
            Err(error) => why = not_taken(error)?,
        }
    }
    Ok(refused(why, visitor))
}

/// Returns what tells somebody's session from all others, for [`complete_authorization`].
pub(crate) fn session_of(account: &Account) -> SecretText {
    SecretText::new(account.session.to_string())
}

/// Returns where this site is reached.
pub(crate) fn base_url(product: &Product) -> &str {
    &product.accounts.config.base_url
}

/// Returns where malls of a platform are authorized; a shop of one that is not reached any more cannot be.
fn address(product: &Product, gateway: GatewayKind) -> Result<PlatformAddress, Stop> {
    let callback = format!("{}{CALLBACK}", base_url(product));
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("response_type", "code")
        .append_pair("redirect_uri", &callback)
        .finish();
    let pages = product.platform.authorization.get(&gateway).ok_or(Stop::NotFound)?;
    Ok(PlatformAddress {
        web: format!("{}?{query}", pages.web),
        phone: format!("{}?{query}&view=h5", pages.phone),
        callback,
        egress_ips: product.platform.egress_ips.clone(),
    })
}

fn refused(not_taken: NotTaken, visitor: &Visitor) -> Loaded {
    shown(CameBack { not_taken: Some(not_taken), is_member: visitor.account.is_some() })
}

fn not_taken(error: CompleteAuthorizationError) -> Result<NotTaken, Stop> {
    Ok(match error {
        CompleteAuthorizationError::StateUnknown => NotTaken::Unknown,
        CompleteAuthorizationError::OtherSession => NotTaken::OtherSession,
        CompleteAuthorizationError::AlreadyUsed => NotTaken::Used,
        CompleteAuthorizationError::Expired => NotTaken::Late,
        CompleteAuthorizationError::TakeOverAsked(mall) => NotTaken::TakeOverAsked(mall),
        CompleteAuthorizationError::Connect(ConnectShopError::OtherMall {
            expected,
            expected_name,
            given,
            given_name,
        }) => NotTaken::OtherMall {
            expected: format!("{expected_name} {expected}"),
            given: format!("{given_name} {given}"),
        },
        CompleteAuthorizationError::Connect(ConnectShopError::Denied(_)) => NotTaken::Forbidden,
        CompleteAuthorizationError::Connect(cause) => {
            let error: &dyn std::error::Error = &cause;
            error!(error, "An authorization could not be taken");
            NotTaken::Refused
        }
        CompleteAuthorizationError::Store(error) => return Err(error.into()),
    })
}
