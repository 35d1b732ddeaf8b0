//! `/control/`: makes things happen and shows what really did. docs/sandbox.md lists the routes.
//!
//! Three locks keep everybody else out: the server listens on loopback only, the `Host` header
//! must name this machine (a web page that rebinds its name to 127.0.0.1 does not), and a bearer
//! token is needed.

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::StatusCode,
    middleware::{Next, from_fn},
    web,
};
use serde::de::DeserializeOwned;
use serde_json::json;

mod buyers;
mod platform;
mod records;

/// Bearer token of control.
#[derive(Debug)]
pub(crate) struct ControlToken(pub(crate) String);

pub(crate) fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("")
            .wrap(from_fn(guard))
            .route("/orders", web::post().to(buyers::create_orders))
            .route("/orders/{order_sn}/receive", web::post().to(buyers::receive))
            .route("/orders/{order_sn}/risk", web::post().to(buyers::set_risk))
            .route("/orders/{order_sn}/resolve", web::post().to(buyers::resolve))
            .route("/orders/{order_sn}/memo", web::post().to(buyers::write_memo))
            .route("/orders/{order_sn}/ship", web::post().to(buyers::ship_elsewhere))
            .route("/orders/{order_sn}/refund", web::post().to(buyers::create_refund))
            .route("/refunds/{refund_id}/agree", web::post().to(buyers::agree_refund))
            .route("/refunds/{refund_id}/close", web::post().to(buyers::close_refund))
            .route("/buyers", web::put().to(buyers::set_buyers))
            .route("/applications", web::post().to(platform::put_application))
            .route("/malls", web::post().to(platform::add_mall))
            .route("/malls", web::get().to(platform::list_malls))
            .route("/malls/{mall_id}/goods", web::post().to(platform::put_goods))
            .route("/clock", web::get().to(platform::clock))
            .route("/clock/advance", web::post().to(platform::advance_clock))
            .route("/limits", web::put().to(platform::set_limits))
            .route("/switches", web::get().to(platform::switches))
            .route("/switches", web::patch().to(platform::set_switches))
            .route("/faults", web::post().to(platform::add_faults))
            .route("/faults", web::get().to(platform::list_faults))
            .route("/faults", web::delete().to(platform::clear_faults))
            .route("/faults/{fault_id}", web::delete().to(platform::clear_fault))
            .route("/tokens", web::get().to(platform::list_tokens))
            .route("/tokens/expire", web::post().to(platform::expire_tokens))
            .route("/tokens/revoke", web::post().to(platform::revoke_tokens))
            .route("/tokens/authorize", web::post().to(platform::authorize))
            .route("/push", web::get().to(records::push))
            .route("/push/{client_id}/disconnect", web::post().to(records::disconnect))
            .route("/import-key", web::get().to(records::import_key))
            .route("/ledger", web::get().to(records::ledger))
            .route("/calls", web::get().to(records::calls))
            .route("/calls", web::delete().to(records::clear_calls))
            .route("/calls/count", web::get().to(records::count_calls))
            .default_service(web::to(missing)),
    );
}

/// Refuses foreign hosts and callers without the token.
async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let refusal = refuse(request.request());
    match refusal {
        Some(response) => Ok(request.into_response(response)),
        None => next.call(request).await.map(ServiceResponse::map_into_boxed_body),
    }
}

fn refuse(request: &HttpRequest) -> Option<HttpResponse> {
    if request.peer_addr().is_some_and(|peer| !peer.ip().is_loopback()) {
        return Some(problem(StatusCode::FORBIDDEN, "control serves this machine only"));
    }
    let host = request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or("");
    if !is_loopback_host(host) {
        return Some(problem(StatusCode::MISDIRECTED_REQUEST, "the Host header is not loopback"));
    }
    let token = request.app_data::<web::Data<ControlToken>>();
    let given = request
        .headers()
        .get("authorization")
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    match (token, given) {
        (Some(token), Some(given)) if token.0 == given => None,
        _ => Some(problem(StatusCode::UNAUTHORIZED, "the bearer token is missing or wrong")),
    }
}

fn is_loopback_host(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    matches!(name, "localhost" | "[::1]")
        || name.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}

async fn missing() -> HttpResponse {
    problem(StatusCode::NOT_FOUND, "control has no such route; docs/sandbox.md lists them")
}

fn problem(status: StatusCode, message: &str) -> HttpResponse {
    HttpResponse::build(status).json(json!({ "error": message }))
}

fn not_found(what: &str) -> HttpResponse {
    problem(StatusCode::NOT_FOUND, &format!("no such {what}"))
}

fn conflict(message: &str) -> HttpResponse {
    problem(StatusCode::CONFLICT, message)
}

/// Why a body cannot be used.
struct Unusable(String);

impl Unusable {
    fn response(&self) -> HttpResponse {
        problem(StatusCode::UNPROCESSABLE_ENTITY, &self.0)
    }
}

/// Reads a JSON body; an empty one stands for `{}`.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Unusable> {
    let body = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Unusable(error.to_string()))
}

/// Reads one object or an array of them.
fn parse_list<T: DeserializeOwned>(body: &[u8]) -> Result<Vec<T>, Unusable> {
    if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        parse(body)
    } else {
        parse(body).map(|one| vec![one])
    }
}

#[cfg(test)]
mod tests {
    use super::is_loopback_host;

    #[test]
    fn only_names_of_this_machine_are_loopback() {
        for host in ["127.0.0.1", "127.0.0.1:8080", "localhost:1", "[::1]:80", "[::1]"] {
            assert!(is_loopback_host(host), "{host}");
        }
        for host in ["", "example.com", "127.0.0.1.example.com:80", "10.0.0.1:80", "localhost.x"] {
            assert!(!is_loopback_host(host), "{host}");
        }
    }
}
