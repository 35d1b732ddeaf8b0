//! Who is let in: requests for our hosts, and unsafe methods only from our own pages.

use actix_web::body::{BoxBody, EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{StatusCode, header};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, web};

use super::refusal::refuse;
use super::site::Addresses;

/// Probes and scrapes come by address, not by name, and change nothing.
const FOR_MACHINES: &[&str] = &["/healthz", "/readyz", "/metrics"];

/// Whether a path is the API's. No cookie says there who asks, so a foreign page could have nothing done that it could
/// not do by itself.
pub(super) fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/")
}

/// Refuses requests for another host, and unsafe ones that do not come from a page of ours.
///
/// The origin check is what keeps another site from sending our forms: no token in the form is needed beside it, since
/// every browser sends `Origin` or `Sec-Fetch-Site` with an unsafe method.
pub(crate) async fn admit(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody, BoxBody>>, Error> {
    let refusal = request.app_data::<web::Data<Addresses>>().and_then(|addresses| judge(request.request(), addresses));
    match refusal {
        Some((status, code)) => {
            let answer = refuse(request.request(), status, code);
            Ok(request.into_response(answer).map_into_right_body())
        }
        None => Ok(next.call(request).await?.map_into_left_body()),
    }
}

fn judge(request: &HttpRequest, addresses: &Addresses) -> Option<(StatusCode, &'static str)> {
    if FOR_MACHINES.contains(&request.path()) {
        return None;
    }
    let host = request.uri().host().map_or_else(
        || text(request, header::HOST.as_str()).map(str::to_lowercase),
        |_| request.uri().authority().map(|authority| authority.as_str().to_lowercase()),
    );
    if !host.is_some_and(|host| addresses.hosts.contains(&host)) {
        return Some((StatusCode::MISDIRECTED_REQUEST, "host.unknown"));
    }
    let is_safe = matches!(request.method().as_str(), "GET" | "HEAD" | "OPTIONS");
    let needs_origin = !is_safe && !is_for_programs(request.path());
    (needs_origin && !is_ours(request, addresses)).then_some((StatusCode::FORBIDDEN, "origin.foreign"))
}

/// Returns whether a page of ours sent the request, as the browser says; silence is a no.
fn is_ours(request: &HttpRequest, addresses: &Addresses) -> bool {
    match (text(request, "origin"), text(request, "sec-fetch-site")) {
        (Some(origin), site) => {
            addresses.origins.iter().any(|ours| ours.eq_ignore_ascii_case(origin))
                && site.is_none_or(|site| matches!(site, "same-origin" | "none"))
        }
        (None, Some(site)) => site == "same-origin",
        (None, None) => false,
    }
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::http::Method;
    use actix_web::test::TestRequest;

    use super::*;

    fn judged(method: Method, path: &str, headers: &[(&str, &str)]) -> Option<&'static str> {
        let addresses =
            Addresses { hosts: vec!["kami.example".to_owned()], origins: vec!["https://kami.example".to_owned()] };
        let mut request = TestRequest::with_uri(path).method(method);
        for (name, value) in headers {
            request = request.insert_header((*name, *value));
        }
        judge(&request.to_http_request(), &addresses).map(|(_, code)| code)
    }

    #[test]
    fn another_host_is_refused_except_for_probes() {
        assert_eq!(judged(Method::GET, "/", &[("host", "evil.example")]), Some("host.unknown"));
        assert_eq!(judged(Method::GET, "/", &[]), Some("host.unknown"));
        assert_eq!(judged(Method::GET, "/", &[("host", "KAMI.example")]), None);
        assert_eq!(judged(Method::GET, "/readyz", &[("host", "10.0.0.7:8080")]), None);
    }

    #[test]
    fn an_unsafe_method_comes_from_our_own_pages_only() {
        let host = ("host", "kami.example");
        let post = |headers: &[(&str, &str)]| judged(Method::POST, "/log-in", &[&[host], headers].concat());
        assert_eq!(post(&[("origin", "https://kami.example")]), None);
        assert_eq!(post(&[("sec-fetch-site", "same-origin")]), None);
        for foreign in [
            &[][..],
            &[("origin", "https://evil.example")],
            &[("origin", "null")],
            &[("origin", "http://kami.example")],
            &[("origin", "https://kami.example.evil.example")],
            &[("sec-fetch-site", "cross-site")],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "https://kami.example"), ("sec-fetch-site", "cross-site")],
        ] {
            assert_eq!(post(foreign), Some("origin.foreign"), "{foreign:?}");
        }
    }

    #[test]
    fn programs_send_no_origin_and_only_the_api_is_for_them() {
        let host = [("host", "kami.example")];
        assert_eq!(judged(Method::POST, "/api/v1/cards/x/void", &host), None);
        assert_eq!(judged(Method::POST, "/api/v1/cards/x/void", &[("host", "evil.example")]), Some("host.unknown"));
        for path in ["/api", "/apiary", "/console/api/tokens"] {
            assert_eq!(judged(Method::POST, path, &host), Some("origin.foreign"), "{path}");
        }
    }

    #[test]
    fn reading_needs_no_origin() {
        let foreign = [("host", "kami.example"), ("origin", "https://evil.example")];
        assert_eq!(judged(Method::GET, "/", &foreign), None);
    }
}
