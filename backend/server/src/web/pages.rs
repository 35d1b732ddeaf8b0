//! Pages: what each is told of its request, and their mounting.

use actix_web::body::MessageBody;
use actix_web::cookie::Cookie;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, Header as _, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use kamiflow_app::context::{Condition, PageContext, Theme, provide_answer, provide_page};
use kamiflow_app::locale::Locale;
use kamiflow_app::routes::App;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_actix::{ActixRouteListing, Request, ResponseOptions, generate_route_list};

use super::request_id::request_id;
use super::site::Site;
use crate::application::State;
use crate::forms::flash;
use crate::forms::preferences::{LANGUAGE, THEME};
use crate::health;

/// The nonce of the page that was rendered, for its policy.
pub(super) struct Nonce(pub(super) String);

/// The pages' routes, listed once per process.
#[derive(Clone)]
pub(crate) struct Pages {
    pub(crate) routes: Vec<ActixRouteListing>,
    development: bool,
}

impl Pages {
    /// Lists the routes.
    pub(crate) fn new(site: &Site) -> Self {
        let development = site.is_development();
        Self { routes: generate_route_list(move || view! { <App development=development/> }), development }
    }

    /// Returns what renders the page of a request.
    pub(crate) fn app(&self) -> impl Fn() -> AnyView + Clone + Send + 'static + use<> {
        let development = self.development;
        move || view! { <App development=development/> }.into_any()
    }
}

/// Hands the context that [`frame`] prepared to the page, and the page's nonce to its policy.
pub(crate) fn provide() {
    let Some(request) = use_context::<Request>() else { return };
    let page = request.extensions().get::<PageContext>().cloned();
    provide_page(page.unwrap_or_default());
    if let Some(answer) = use_context::<ResponseOptions>() {
        provide_answer(move |status| answer.set_status(StatusCode::from_u16(status).unwrap_or_default()));
    }
    if let Some(nonce) = use_nonce() {
        request.extensions_mut().insert(Nonce(nonce.to_string()));
    }
}

/// Prepares what a page is told: everything that must be waited for is waited for here.
pub(crate) async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let Some(site) = request.app_data::<web::Data<Site>>().cloned() else { return next.call(request).await };
    let mut page = context_of(request.request(), &site);
    if page.path == "/status"
        && let Some(state) = request.app_data::<web::Data<State>>().cloned()
    {
        let (database, queue) = health::condition(&state.dependencies).await;
        page.condition = Condition { database, queue };
    }
    let had_outcome = flash::cookie_of(request.request(), &site).is_some();
    page.outcome = flash::read(request.request(), &site);
    request.extensions_mut().insert(page);
    let mut answer = next.call(request).await?;
    let headers = answer.headers_mut();
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
        headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language, Accept-Encoding"));
        if had_outcome {
            // What a form said is said once.
            let _shown = answer.response_mut().add_removal_cookie(&flash::removal(&site));
        }
    }
    Ok(answer)
}

/// Returns what is known of any request without asking anybody.
pub(super) fn context_of(request: &HttpRequest, site: &Site) -> PageContext {
    PageContext {
        locale: locale(request),
        theme: request.cookie(THEME).map_or(Theme::System, |cookie| Theme::from_word(cookie.value())),
        request_id: request_id(request),
        path: request.path().to_owned(),
        assets: site.assets.clone(),
        ..PageContext::default()
    }
}

/// The visitor's choice, else what the browser prefers, else Chinese.
fn locale(request: &HttpRequest) -> Locale {
    let chosen = request.cookie(LANGUAGE).as_ref().and_then(|cookie: &Cookie<'_>| Locale::from_tag(cookie.value()));
    let preferred = || {
        let ranked = header::AcceptLanguage::parse(request).ok()?.ranked();
        ranked.iter().find_map(|language| Locale::from_tag(&language.to_string()))
    };
    chosen.or_else(preferred).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn spoken(accepted: &str, cookie: Option<&str>) -> Locale {
        let mut request = TestRequest::default().insert_header(("accept-language", accepted));
        if let Some(cookie) = cookie {
            request = request.insert_header(("cookie", format!("{LANGUAGE}={cookie}")));
        }
        locale(&request.to_http_request())
    }

    #[test]
    fn a_cookie_beats_the_browser_and_the_browser_beats_the_default() {
        assert_eq!(spoken("en-GB,en;q=0.9,zh;q=0.1", None), Locale::En);
        assert_eq!(spoken("fr, en;q=0.5, zh-CN;q=0.9", None), Locale::Zh);
        assert_eq!(spoken("en", Some("zh-CN")), Locale::Zh);
        assert_eq!(spoken("fr", None), Locale::Zh);
        assert_eq!(spoken("zh-CN", Some("en")), Locale::En);
        assert_eq!(spoken("en", Some("klingon")), Locale::En);
    }
}
