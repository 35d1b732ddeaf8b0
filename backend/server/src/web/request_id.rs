//! A number for each request, which logs, error pages and answers share.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest};
use uuid::Uuid;

use super::refusal;

#[derive(Clone)]
struct RequestId(String);

/// Gives the request its number. One that a client sends is not taken over: it could name somebody else's.
pub(crate) async fn tag(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // Its end is random; its beginning is the time, which logs have anyway.
    let unique = Uuid::now_v7().simple().to_string();
    let id = format!("req_{}", unique.get(16..).unwrap_or_default());
    request.extensions_mut().insert(RequestId(id.clone()));
    match next.call(request).await {
        Ok(mut answer) => {
            set(answer.headers_mut(), &id);
            Ok(answer)
        }
        Err(error) => Err(refusal::with_headers(error, |headers| set(headers, &id))),
    }
}

fn set(headers: &mut HeaderMap, id: &str) {
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(HeaderName::from_static("x-request-id"), value);
    }
}

/// Returns the request's number.
pub(crate) fn request_id(request: &HttpRequest) -> String {
    request.extensions().get::<RequestId>().map(|id| id.0.clone()).unwrap_or_default()
}
