//! Counts requests and times them, by route.

use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use metrics::{counter, histogram};

/// The label of addresses that no route has: what people try must not become one metric each.
const NO_ROUTE: &str = "none";

/// Records `kamiflow_http_requests_total{route,method,status}` and `kamiflow_http_request_seconds{route}`.
pub(crate) async fn record(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let method = known_method(request.method().as_str());
    let answer = next.call(request).await;
    let (route, status) = match &answer {
        Ok(answer) => (answer.request().match_pattern(), answer.status()),
        Err(error) => (None, error.as_response_error().status_code()),
    };
    let (route, status) = (route.unwrap_or_else(|| NO_ROUTE.to_owned()), status.as_u16().to_string());
    counter!("kamiflow_http_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    histogram!("kamiflow_http_request_seconds", "route" => route).record(began.elapsed().as_secs_f64());
    answer
}

/// A client may invent methods; metrics know a handful.
fn known_method(method: &str) -> &'static str {
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
        .into_iter()
        .find(|known| *known == method)
        .unwrap_or("other")
}
