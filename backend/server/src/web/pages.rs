//! Pages: what each is told of its request, and their mounting.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::cookie::Cookie;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, Header as _, HeaderValue};
use actix_web::http::{Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, HttpResponse, web};
use kamiflow_app::context::{Condition, PageContext, provide_answer, provide_page};
use kamiflow_app::routes::App;
use kamiflow_kernel::Locale;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos::tachys::html::InertElement;
use leptos_actix::{ActixRouteListing, Request, ResponseOptions, generate_route_list};

use super::admission::is_for_programs;
use super::refusal;
use super::request_id::request_id;
use super::site::Site;
use crate::application::State;
use crate::forms::flash;
use crate::forms::preferences::{LANGUAGE, THEME};
use crate::product::Product;
use crate::visitor;
use crate::{console, health};

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

    /// Returns what renders the page of a request. A page waits for nothing while it is rendered, because [`frame`] has
    /// waited for everything, so it is written as one text: a stream would hold each tag in a text of its own.
    pub(crate) fn app(&self) -> impl Fn() -> AnyView + Clone + Send + 'static + use<> {
        let development = self.development;
        move || InertElement::new(view! { <App development=development/> }.to_html()).into_any()
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

/// Recognizes who asks, and prepares what a page is told: everything that must be waited for is waited for here.
pub(crate) async fn frame(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let parts = (request.app_data::<web::Data<Site>>().cloned(), request.app_data::<web::Data<Product>>().cloned());
    let (Some(site), Some(product)) = parts else { return Ok(next.call(request).await?.map_into_left_body()) };
    if is_for_nobody(request.path()) {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    let mut page = context_of(request.request(), &site);
    let (visitor, cookies) = match visitor::recognize(request.request(), &site, &product, page.locale).await {
        Ok(recognized) => recognized,
        Err(cause) => {
            let answer = refusal::failed(request.request(), &cause);
            return Ok(request.into_response(answer).map_into_right_body());
        }
    };
    let is_page = matches!(*request.method(), Method::GET | Method::HEAD);
    if is_page {
        if page.path == "/status"
            && let Some(state) = request.app_data::<web::Data<State>>().cloned()
        {
            let (database, queue) = health::condition(&state.dependencies).await;
            page.condition = Condition { database, queue };
        }
        if let Err(stop) = console::prepare(&product, &visitor, &mut page).await {
            let mut answer = stop.answer(request.request());
            keep(&mut answer, &cookies);
            return Ok(request.into_response(answer).map_into_right_body());
        }
    }
    let is_private = visitor.account.is_some() || holds_token(&page);
    let had_outcome = is_page && flash::cookie_of(request.request(), &site).is_some();
    page.outcome = flash::read(request.request(), &site);
    let path = page.path.clone();
    request.extensions_mut().insert(page);
    request.extensions_mut().insert(visitor);
    let mut answer = next.call(request).await?;
    keep(answer.response_mut(), &cookies);
    let headers = answer.headers_mut();
    if headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        // An answer that holds secrets has said already that nobody keeps it.
        if !headers.contains_key(header::CACHE_CONTROL) {
            // What is of somebody's, and what staff are shown of merchants, is gone from the browser when she is.
            let is_private = is_private || visitor::is_for_staff(&path);
            let keeping = if is_private { "private, no-store" } else { "private, no-cache" };
            headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(keeping));
        }
        headers.insert(header::VARY, HeaderValue::from_static("Cookie, Accept-Language, Accept-Encoding"));
        if had_outcome {
            // What a form said is said once.
            let _shown = answer.response_mut().add_removal_cookie(&flash::removal(&site));
        }
    }
    Ok(answer.map_into_left_body())
}

/// Pages of links show the link's own secret again, to whoever holds it.
fn holds_token(page: &PageContext) -> bool {
    page.query.contains_key("token") || page.path.starts_with("/authorize/")
}

/// Files and probes are the same for everybody, and the API knows no visitors: it looks at no cookie.
fn is_for_nobody(path: &str) -> bool {
    path.starts_with("/assets/") || is_for_programs(path) || matches!(path, "/healthz" | "/readyz" | "/metrics")
}

/// Sets the cookies of a session that was renewed on the way, unless the answer sets or removes them itself.
fn keep<B>(answer: &mut HttpResponse<B>, cookies: &[Cookie<'static>]) {
    let set: Vec<String> = answer.cookies().map(|cookie| cookie.name().to_owned()).collect();
    for cookie in cookies.iter().filter(|cookie| !set.iter().any(|name| name == cookie.name())) {
        let _kept = answer.add_cookie(cookie);
    }
}

/// Returns what is known of any request without asking anybody.
pub(crate) fn context_of(request: &HttpRequest, site: &Site) -> PageContext {
    PageContext {
        locale: locale(request),
        theme: request.cookie(THEME).and_then(|cookie| cookie.value().parse().ok()).unwrap_or_default(),
        request_id: request_id(request),
        path: request.path().to_owned(),
        query: web::Query::from_query(request.query_string()).map(web::Query::into_inner).unwrap_or_default(),
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
