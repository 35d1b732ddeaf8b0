//! Who sends a request: the cookies of a session, read and renewed.
//!
//! The access token is good for ten minutes and names a session. When it is too old, the refresh token is exchanged on the
//! way, and both cookies are replaced with the answer; see `kamiflow_domain::accounts::refresh_session`.

use actix_web::cookie::time::OffsetDateTime;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::header;
use actix_web::{HttpMessage as _, HttpRequest};
use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::accounts::authenticate::{Account, AuthenticateError, authenticate};
use kamiflow_domain::accounts::refresh_session::{RefreshSessionError, Refreshed, refresh_session};
use kamiflow_domain::accounts::staff::StaffMember;
use kamiflow_domain::accounts::staff::authenticate::authenticate_staff;
use kamiflow_domain::accounts::staff::log_in::NewStaffSession;
use kamiflow_domain::accounts::{NewSession, Visit};
use kamiflow_domain::ctx::Ctx;
use kamiflow_kernel::{Locale, SecretText};
use kamiflow_store::StoreError;

use crate::product::Product;
use crate::web::{Site, client_addr, request_id};

/// The cookie of the access token.
const ACCESS: &str = "kf_access";
/// The cookie of the refresh token.
const REFRESH: &str = "kf_refresh";
/// The cookie by which a browser is known again.
const DEVICE: &str = "kf_device";
/// The cookie of what is looked at: `test` for sandbox shops.
pub(crate) const MODE: &str = "kf_mode";
/// The cookie of a browser that began an authorization by a link.
const LINK: &str = "kf_link";
/// The cookie of a session of the staff. It has no path of its own: `__Host-` asks for the whole site, and a path guards
/// nothing that this prefix does not guard better (docs/adr/0017-staff.md).
const STAFF: &str = "kf_staff";
/// How long a browser is known.
const DEVICE_FOR: TimeDelta = TimeDelta::days(365);

/// A request's sender.
#[derive(Debug, Clone)]
pub(crate) struct Visitor {
    /// What is known of anybody.
    pub(crate) visit: Visit,
    /// Who is logged in, if somebody is.
    pub(crate) account: Option<Account>,
    /// Who of the staff is logged in; on the staff's pages only, where nobody else is looked for.
    pub(crate) staff: Option<StaffMember>,
    /// Whether only sandbox shops are looked at; without the cookie the shops that are there decide.
    pub(crate) mode: Option<Mode>,
    /// What tells a browser from others that began an authorization by a link.
    pub(crate) link: Option<SecretText>,
}

/// Which shops are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// All but sandbox shops.
    Live,
    /// Sandbox shops only.
    Test,
}

impl Visitor {
    /// Returns who was recognized on the way to a handler.
    pub(crate) fn of(request: &HttpRequest) -> Option<Self> {
        request.extensions().get::<Self>().cloned()
    }

    /// Returns the circumstances of an act for the merchant whose console is open.
    pub(crate) fn ctx(&self) -> Option<Ctx> {
        self.account.as_ref()?.ctx(&self.visit)
    }
}

/// Says who sends a request, and which cookies the answer must set.
///
/// # Errors
/// When the store fails; somebody whose session has ended is a visitor without account.
pub(crate) async fn recognize(
    request: &HttpRequest,
    site: &Site,
    product: &Product,
    locale: Locale,
) -> Result<(Visitor, Vec<Cookie<'static>>), StoreError> {
    let visit = visit(request, site, product.engine.now(), locale);
    let token = |name| cookie_value(request, site, name);
    if is_for_staff(request.path()) {
        let staff = match token(STAFF) {
            Some(token) => authenticate_staff(&product.accounts, &visit, &token).await?,
            None => None,
        };
        return Ok((Visitor { visit, account: None, staff, mode: None, link: None }, Vec::new()));
    }
    let mode = token(MODE).map(|word| if word.expose() == "test" { Mode::Test } else { Mode::Live });
    let link = token(LINK);
    if let Some(access) = token(ACCESS) {
        match authenticate(&product.accounts, &visit, access.expose()).await {
            Ok(account) => return Ok((Visitor { visit, account: Some(account), staff: None, mode, link }, Vec::new())),
            Err(AuthenticateError::Store(error)) => return Err(error),
            Err(AuthenticateError::TokenRefused | AuthenticateError::SessionEnded) => {}
        }
    }
    let Some(refresh) = token(REFRESH) else {
        return Ok((Visitor { visit, account: None, staff: None, mode, link }, Vec::new()));
    };
    match refresh_session(&product.accounts, &visit, &refresh).await {
        Ok(refreshed) => {
            let account = authenticate(&product.accounts, &visit, refreshed.access.expose()).await;
            let account = match account {
                Ok(account) => Some(account),
                Err(AuthenticateError::Store(error)) => return Err(error),
                Err(AuthenticateError::TokenRefused | AuthenticateError::SessionEnded) => None,
            };
            Ok((Visitor { visit, account, staff: None, mode, link }, renewed(site, &refreshed)))
        }
        Err(RefreshSessionError::Ended | RefreshSessionError::Reused) => {
            Ok((Visitor { visit, account: None, staff: None, mode, link }, ended(site)))
        }
        Err(RefreshSessionError::Store(error)) => Err(error),
    }
}

/// Returns whether a path is one of the staff's pages.
pub(crate) fn is_for_staff(path: &str) -> bool {
    path == "/staff" || path.starts_with("/staff/")
}

/// Returns the cookie of a session of the staff that has begun.
pub(crate) fn staff_begun(site: &Site, session: &NewStaffSession) -> Cookie<'static> {
    strict(cookie(site, STAFF, &session.token, session.expires_at))
}

/// Returns the cookie to remove when a session of the staff has ended.
pub(crate) fn staff_ended(site: &Site) -> Cookie<'static> {
    strict(cookie(site, STAFF, &SecretText::from(""), DateTime::UNIX_EPOCH))
}

/// No link of another site opens the staff's pages as somebody.
fn strict(mut cookie: Cookie<'static>) -> Cookie<'static> {
    cookie.set_same_site(SameSite::Strict);
    cookie
}

/// Returns the token by which the browser is known again.
pub(crate) fn device(request: &HttpRequest, site: &Site) -> Option<SecretText> {
    cookie_value(request, site, DEVICE)
}

/// Returns the cookie of a browser that begins an authorization by a link.
pub(crate) fn by_link(site: &Site, value: &SecretText, until: DateTime<Utc>) -> Cookie<'static> {
    cookie(site, LINK, value, until)
}

/// Returns the cookies of a session that has begun.
pub(crate) fn begun(site: &Site, session: &NewSession, now: DateTime<Utc>) -> Vec<Cookie<'static>> {
    vec![
        cookie(site, ACCESS, &session.access, session.access_expires_at),
        cookie(site, REFRESH, &session.refresh, session.refresh_expires_at),
        cookie(site, DEVICE, &session.device, now + DEVICE_FOR),
    ]
}

/// Returns the cookies to remove when a session has ended; the browser stays known.
pub(crate) fn ended(site: &Site) -> Vec<Cookie<'static>> {
    [ACCESS, REFRESH].map(|name| cookie(site, name, &SecretText::from(""), DateTime::UNIX_EPOCH)).into()
}

fn renewed(site: &Site, refreshed: &Refreshed) -> Vec<Cookie<'static>> {
    let mut cookies = vec![cookie(site, ACCESS, &refreshed.access, refreshed.access_expires_at)];
    // None: another request of this browser has just been given the successor.
    if let Some(token) = &refreshed.refresh {
        cookies.push(cookie(site, REFRESH, token, refreshed.refresh_expires_at));
    }
    cookies
}

/// Returns what is known of anybody who sends a request.
pub(crate) fn visit(request: &HttpRequest, site: &Site, now: DateTime<Utc>, locale: Locale) -> Visit {
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    Visit {
        request_id: request_id(request),
        now,
        // A request without a peer comes from no network.
        ip: client_addr(request, site).unwrap_or(std::net::Ipv4Addr::UNSPECIFIED.into()),
        user_agent: user_agent.unwrap_or_default().to_owned(),
        locale,
    }
}

fn cookie_value(request: &HttpRequest, site: &Site, name: &str) -> Option<SecretText> {
    let cookie = request.cookie(&site.cookie_name(name))?;
    Some(SecretText::from(cookie.value())).filter(|value| !value.expose().is_empty())
}

fn cookie(site: &Site, name: &str, value: &SecretText, expires_at: DateTime<Utc>) -> Cookie<'static> {
    let expires = OffsetDateTime::from_unix_timestamp(expires_at.timestamp()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    Cookie::build(site.cookie_name(name), value.expose().to_owned())
        .path("/")
        .http_only(true)
        .secure(site.is_secure())
        .same_site(SameSite::Lax)
        .expires(expires)
        .finish()
}
