//! Problem documents (RFC 9457): the one shape of every answer that is not a success.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;

/// A failed request as the client is told of it. Holds nothing that an error inside of us said.
#[derive(Debug, Serialize)]
pub(crate) struct Problem {
    /// Repeats the status for readers that see only the body.
    status: u16,
    /// For people.
    title: &'static str,
    /// For programs, `area.reason`: added, never renamed.
    code: &'static str,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<String>,
}

impl Problem {
    /// Returns the problem of a status.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        Self { status: status.as_u16(), title, code, instance: None }
    }

    /// Names the path that was asked for.
    pub(crate) fn at(mut self, path: impl Into<String>) -> Self {
        self.instance = Some(path.into());
        self
    }

    /// Returns the answer.
    pub(crate) fn answer(&self) -> HttpResponse {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(self).unwrap_or_default();
        HttpResponse::build(status)
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(body)
    }
}

/// Answers what no route knows.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "route.unknown", "There is nothing at this address").at(request.path()).answer()
}

/// Answers a method that a route does not have.
pub(crate) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    let mut answer = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "route.method_not_allowed",
        "This address does not know the request's method",
    )
    .at(request.path())
    .answer();
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
    answer
}
