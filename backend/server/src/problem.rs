//! Problem documents (RFC 9457): the one shape of every answer that is not a success.

use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use serde::Serialize;
use utoipa::ToSchema;

/// A failed request as the client is told of it. Holds nothing that an error inside of us said.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "status": 404, "title": "There is no such thing, or not for this token", "code": "resource.unknown"
}))]
pub(crate) struct Problem {
    /// Repeats the status for readers that see only the body.
    #[schema(minimum = 400, maximum = 599)]
    status: u16,
    /// For people.
    title: &'static str,
    /// For programs, `area.reason`: added, never renamed.
    #[schema(pattern = "^[a-z_]+\\.[a-z_]+$")]
    code: &'static str,
    /// More for people: what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    detail: Option<Box<str>>,
    /// What was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    instance: Option<Box<str>>,
    /// The lines of an import that were refused; no part of a card.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    rejected: Vec<RejectedLine>,
    /// How a program proves who it is (RFC 6750).
    #[serde(skip)]
    challenge: Option<Box<str>>,
}

/// A line of an import that was refused.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct RejectedLine {
    /// The line of the text, or the place in the list, from 1.
    #[schema(minimum = 1)]
    pub(crate) line: u64,
    /// Why, for programs.
    #[schema(example = "card_file.duplicate_in_stock")]
    pub(crate) code: &'static str,
    /// Why, in Chinese.
    pub(crate) zh: String,
    /// Why, in English.
    pub(crate) en: String,
}

impl Problem {
    /// Returns the problem of a status.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: &'static str) -> Self {
        let (detail, instance, challenge) = (None, None, None);
        Self { status: status.as_u16(), title, code, detail, instance, rejected: Vec::new(), challenge }
    }

    /// Names the path that was asked for.
    pub(crate) fn at(mut self, path: impl Into<Box<str>>) -> Self {
        self.instance = Some(path.into());
        self
    }

    /// Says what to do.
    pub(crate) fn because(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Lists lines that were refused.
    pub(crate) fn rejecting(mut self, rejected: Vec<RejectedLine>) -> Self {
        self.rejected = rejected;
        self
    }

    /// Says how a program proves who it is.
    pub(crate) fn challenging(mut self, challenge: impl Into<Box<str>>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// Returns the answer.
    pub(crate) fn answer(&self) -> HttpResponse {
        let body = serde_json::to_string(self).unwrap_or_default();
        let mut answer = HttpResponse::build(self.status_code());
        answer
            .insert_header((header::CONTENT_TYPE, "application/problem+json"))
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(challenge) = &self.challenge {
            answer.insert_header((header::WWW_AUTHENTICATE, &**challenge));
        }
        answer.body(body)
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.status, self.code)
    }
}

impl ResponseError for Problem {
    fn status_code(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    fn error_response(&self) -> HttpResponse {
        self.answer()
    }
}

/// Answers what no route knows.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    Problem::new(StatusCode::NOT_FOUND, "route.unknown", "There is nothing at this address").at(request.path()).answer()
}

/// Answers a method that a route does not have.
pub(crate) async fn method_not_allowed(request: HttpRequest) -> HttpResponse {
    only(request.path(), "GET, HEAD")
}

/// Answers a method that is none of those that a route has.
pub(crate) fn only(path: &str, allowed: &'static str) -> HttpResponse {
    let mut answer = Problem::new(
        StatusCode::METHOD_NOT_ALLOWED,
        "route.method_not_allowed",
        "This address does not know the request's method",
    )
    .at(path)
    .answer();
    answer.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static(allowed));
    answer
}
