//! Connecting: own keys, beginning an authorization, and links for the holder of a mall's main account.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::authorization::{BeginAuthorizationError, BegunAuthorization, begin_authorization};
use kamiflow_domain::authorization_link::{LinkError, VALID_FOR, begin_by_link, make_link, new_browser};
use kamiflow_domain::connect_shop::Purpose;
use kamiflow_domain::connection_own_keys::{EnterOwnKeys, EnterOwnKeysError, enter_own_keys, exchange_secret};
use kamiflow_domain::connection_place::forget_place;
use kamiflow_domain::ctx::ActError;
use kamiflow_kernel::{ApplicationId, SecretText, ShopId};
use serde::Deserialize;

use super::page_of;
use crate::console::session_of;
use crate::forms::door::{Desk, Door, Refused};
use crate::forms::flash;
use crate::visitor;

const START: &str = "/console/shops/new";
const WIZARD: &str = "/console/shops/new?route=own_keys";

/// Begins the wizard anew.
pub(super) async fn again(desk: Desk) -> HttpResponse {
    match forget_place(&desk.product.engine, &desk.ctx).await {
        Ok(()) => flash::done(START),
        Err(ActError::Denied(denied)) => desk.refuse(START, denied.into(), FormOutcome::default()),
        Err(ActError::Store(error)) => desk.refuse(START, error.into(), FormOutcome::default()),
    }
}

/// What the wizard sends about an own application.
#[derive(Deserialize)]
pub(super) struct KeysForm {
    client_id: String,
    client_secret: SecretText,
    app_type: String,
}

/// Proves keys, and goes on to the authorization.
pub(super) async fn keys(desk: Desk, form: web::Form<KeysForm>) -> HttpResponse {
    let KeysForm { client_id, client_secret, app_type } = form.into_inner();
    let typed = FormOutcome::default().typed("client_id", &client_id).typed("app_type", &app_type);
    let request = EnterOwnKeys {
        gateway: desk.product.platform.gateway,
        client_id: client_id.trim().to_owned(),
        client_secret: SecretText::from(client_secret.expose().trim()),
        app_type: app_type.trim().to_owned(),
    };
    match enter_own_keys(&desk.product.engine, &desk.ctx, &request).await {
        Ok((application, _standing)) => {
            let page = format!("/console/shops/authorize?application={application}");
            flash::told(&desk.site, &page, "shops.keys_proved")
        }
        Err(error) => desk.refuse(WIZARD, refused_keys(error), typed),
    }
}

/// What the page of a shop's own application sends.
#[derive(Deserialize)]
pub(super) struct SecretForm {
    client_secret: SecretText,
}

/// Proves another secret, and exchanges the one that is kept.
pub(super) async fn secret(desk: Desk, shop: web::Path<ShopId>, form: web::Form<SecretForm>) -> HttpResponse {
    let secret = SecretText::from(form.client_secret.expose().trim());
    let page = page_of(*shop);
    match exchange_secret(&desk.product.engine, &desk.ctx, *shop, &secret).await {
        Ok(_application) => flash::told(&desk.site, &page, "shops.secret_exchanged"),
        Err(error) => {
            // The id is not this form's to correct: what the platform says about it stands above the form.
            let refused = match refused_keys(error) {
                Refused::Field("client_id", "keys.shape") => Refused::Field("client_secret", "keys.shape"),
                Refused::Field("client_id", code) => Refused::Field("", code),
                other => other,
            };
            desk.refuse(&format!("{page}/keys"), refused, FormOutcome::default())
        }
    }
}

fn refused_keys(error: EnterOwnKeysError) -> Refused {
    match error {
        EnterOwnKeysError::Denied(denied) => denied.into(),
        EnterOwnKeysError::Shape => Refused::Field("client_id", "keys.shape"),
        EnterOwnKeysError::ClientUnknown => Refused::Field("client_id", "keys.client_unknown"),
        EnterOwnKeysError::SecretWrong => Refused::Field("client_secret", "keys.secret_wrong"),
        EnterOwnKeysError::AddressRefused => Refused::Field("", "keys.address_refused"),
        EnterOwnKeysError::TakenElsewhere => Refused::Field("client_id", "keys.taken"),
        EnterOwnKeysError::Market(_) => Refused::Field("", "keys.market"),
        EnterOwnKeysError::Store(error) => error.into(),
    }
}

/// What the page before the platform's sends.
#[derive(Deserialize)]
pub(super) struct AuthorizeForm {
    application: ApplicationId,
    /// Empty for a shop to connect.
    shop: String,
}

impl AuthorizeForm {
    fn purpose(&self) -> Result<Purpose, Refused> {
        match self.shop.as_str() {
            "" => Ok(Purpose::Connect),
            shop => shop.parse::<ShopId>().map(Purpose::Reauthorize).map_err(|_text| Refused::NotFound),
        }
    }

    fn page(&self) -> String {
        match self.purpose() {
            Ok(Purpose::Reauthorize(shop)) => {
                format!("/console/shops/authorize?application={}&shop={shop}", self.application)
            }
            Ok(Purpose::Connect) | Err(_) => format!("/console/shops/authorize?application={}", self.application),
        }
    }
}

/// Begins an authorization. The page then has a plain link to the platform, because our policy lets no form lead there.
pub(super) async fn begin(desk: Desk, form: web::Form<AuthorizeForm>) -> HttpResponse {
    let session = session_of(&desk.account);
    let begun = async {
        let asked = (form.application, form.purpose()?);
        begin_authorization(&desk.product.engine, &desk.ctx, &session, asked).await.map_err(refused)
    };
    match begun.await {
        Ok(begun) => flash::again(&desk.site, &form.page(), FormOutcome::default().typed("begun", &query(&begun))),
        Err(error) => desk.refuse(&form.page(), error, FormOutcome::default()),
    }
}

/// Makes a link for the holder of the main account.
pub(super) async fn link(desk: Desk, form: web::Form<AuthorizeForm>) -> HttpResponse {
    let made = async {
        let asked = (form.application, form.purpose()?);
        make_link(&desk.product.engine, &desk.ctx, asked, VALID_FOR).await.map_err(refused)
    };
    match made.await {
        Ok(made) => {
            let base = &desk.product.accounts.config.base_url;
            let link = SecretText::new(format!("{base}/authorize/{}", made.token.expose()));
            desk.once(Once::AuthorizationLink(link)).await
        }
        Err(error) => desk.refuse(&form.page(), error, FormOutcome::default()),
    }
}

fn refused(error: BeginAuthorizationError) -> Refused {
    match error {
        BeginAuthorizationError::Denied(denied) => denied.into(),
        BeginAuthorizationError::ApplicationUnknown | BeginAuthorizationError::ShopUnknown => Refused::NotFound,
        BeginAuthorizationError::Store(error) => error.into(),
    }
}

/// Begins the authorization of a link, in the browser that then keeps it.
pub(super) async fn begin_link(door: Door, token: web::Path<SecretText>) -> HttpResponse {
    let page = format!("/authorize/{}", token.expose());
    let session = door.visitor.link.clone().unwrap_or_else(new_browser);
    match begin_by_link(&door.product.engine, &session, &token).await {
        Ok(begun) => {
            let mut answer = flash::again(&door.site, &page, FormOutcome::default().typed("begun", &query(&begun)));
            let _kept = answer.add_cookie(&visitor::by_link(&door.site, &session, begun.expires_at));
            answer
        }
        Err(error) => {
            let code = match error {
                LinkError::Expired => "links.expired",
                LinkError::Used => "links.used",
                LinkError::OtherBrowser => "links.other_browser",
                LinkError::Invalid | LinkError::Begin(_) => "links.invalid",
                LinkError::Store(error) => return door.refuse(&page, error.into(), FormOutcome::default()),
            };
            door.refuse(&page, Refused::Field("", code), FormOutcome::default())
        }
    }
}

/// Returns what an authorization adds to the address of the platform's page.
fn query(begun: &BegunAuthorization) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", &begun.client_id)
        .append_pair("state", begun.state.expose())
        .finish()
}
