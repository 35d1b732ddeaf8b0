//! Metrics in the Prometheus text format, behind a token where one is configured.

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use kamiflow_kernel::SecretText;
use subtle::ConstantTimeEq as _;

use crate::application::State;
use crate::health::read_only;
use crate::problem::Problem;

/// Adds the routes of this area.
pub(crate) fn configure(services: &mut web::ServiceConfig) {
    services.service(read_only("/metrics").route(web::route().to(metrics)));
}

async fn metrics(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if let Some(token) = &state.metrics_token
        && !is_permitted(&request, token)
    {
        let mut answer =
            Problem::new(StatusCode::UNAUTHORIZED, "metrics.token_required", "Metrics ask for the bearer token")
                .at(&request)
                .answer();
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        return answer;
    }
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.dependencies.metrics.render())
}

/// Compares in constant time: how long a refusal takes must not tell how much of a token was right.
fn is_permitted(request: &HttpRequest, token: &SecretText) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && bool::from(given.trim().as_bytes().ct_eq(token.expose().as_bytes()))
}
