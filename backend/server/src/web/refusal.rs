//! Refusals: a page for browsers, a problem document for programs, the request's number in both.

use std::error::Error as StdError;

use actix_web::error::{InternalError, UrlencodedError};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, Header as _};
use actix_web::{Error, HttpRequest, HttpResponse, web};
use kamiflow_app::context::PageContext;
use kamiflow_app::routes;
use tracing::error;

use super::admission::is_for_programs;
use super::pages;
use super::site::Site;
use crate::problem::Problem;

/// What an answer that refuses a request needs to know of it.
pub(super) struct Refusal {
    page: Option<PageContext>,
    path: String,
}

impl Refusal {
    /// Notes it.
    pub(super) fn of(request: &HttpRequest) -> Self {
        let site = request.app_data::<web::Data<Site>>().filter(|_| wants_page(request));
        Self { page: site.map(|site| pages::context_of(request, site)), path: request.path().to_owned() }
    }

    /// Returns the answer.
    pub(super) fn answer(self, status: StatusCode, code: &'static str) -> HttpResponse {
        match self.page {
            Some(page) => HttpResponse::build(status)
                .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
                .insert_header((header::CACHE_CONTROL, "no-store"))
                .body(routes::render_error(page, status.as_u16())),
            None => Problem::new(status, code, title(status)).at(self.path).answer(),
        }
    }
}

/// Returns the answer that refuses a request.
pub(crate) fn refuse(request: &HttpRequest, status: StatusCode, code: &'static str) -> HttpResponse {
    Refusal::of(request).answer(status, code)
}

/// Returns the answer to a request that failed inside of us; what failed is for the log only.
pub(crate) fn failed(request: &HttpRequest, cause: &(dyn StdError + 'static)) -> HttpResponse {
    error!(error = cause, http.route = request.match_pattern(), "A request failed");
    refuse(request, StatusCode::INTERNAL_SERVER_ERROR, "server.failed")
}

/// Returns an error whose answer has more headers.
pub(super) fn with_headers(error: Error, set: impl FnOnce(&mut header::HeaderMap)) -> Error {
    let mut answer = error.error_response();
    set(answer.headers_mut());
    InternalError::from_response(error, answer).into()
}

/// Answers what no route knows.
pub(crate) async fn not_found(request: HttpRequest) -> HttpResponse {
    refuse(&request, StatusCode::NOT_FOUND, "route.unknown")
}

/// Answers a form that cannot be read.
pub(super) fn of_form(error: UrlencodedError, request: &HttpRequest) -> Error {
    let (status, code) = match &error {
        UrlencodedError::Overflow { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body.too_large"),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "body.unreadable"),
    };
    InternalError::from_response(error, refuse(request, status, code)).into()
}

/// A browser that loads a page asks for HTML first; programs ask for anything or for JSON.
fn wants_page(request: &HttpRequest) -> bool {
    if is_for_programs(request.path()) {
        return false;
    }
    let accepted = header::Accept::parse(request).map(|accept| accept.ranked());
    accepted.is_ok_and(|ranked| ranked.first().is_some_and(|first| first.essence_str() == "text/html"))
}

fn title(status: StatusCode) -> &'static str {
    match status {
        StatusCode::FORBIDDEN => "The request does not come from a page of this site",
        StatusCode::NOT_FOUND => "There is nothing at this address",
        StatusCode::PAYLOAD_TOO_LARGE => "The request's body is too large",
        StatusCode::UNPROCESSABLE_ENTITY => "The request's body cannot be read",
        StatusCode::MISDIRECTED_REQUEST => "This server does not answer for that host: see KAMIFLOW_UI_PUBLIC_URL",
        StatusCode::SERVICE_UNAVAILABLE => "The server did not answer in time",
        _ => "The server could not answer",
    }
}
