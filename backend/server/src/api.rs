//! `/api/v1`: what merchants' own programs may ask for and do, by the same use cases as the pages.
//!
//! # A request's way
//! ```text
//! the site's: tag, record, dress, admit (host only), deadline
//!   └─► guard: bearer token ─► what it is worth now ─► its limit ─► RateLimit-… on whatever is answered
//!         └─► once: a write's Idempotency-Key ─► the kept answer, or the handler and its answer kept
//!               └─► handler: scope, extract, one use case, wrap
//! ```
//! - Nothing but the `Authorization` header says who asks: cookies are not looked at, so no other site can have anything
//!   done by a browser, and no origin is asked for or allowed.
//! - Every answer that is no success is a problem document; what belongs to another merchant, to the other mode, or to a shop
//!   that the token does not see is 404 like what does not exist.
//! - The document at `/api/v1/openapi.json` is made from the handlers and types; a test compares it with [`SERVED`].
//!
//! To add an operation: a handler with `#[utoipa::path]` in a file here, its types in [`wire`], a line in [`routes!`] and
//! one in `document`.

mod cards;
mod document;
mod errors;
mod guard;
mod input;
mod once;
mod orders;
mod pages;
mod redemptions;
mod shops;
mod wire;

pub(crate) use self::document::document;

use actix_web::guard::{Any, Get, Head, Post};
use actix_web::middleware::from_fn;
use actix_web::web::{self, PayloadConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, Resource};

use crate::problem;

/// Where the API is.
const BASE: &str = "/api/v1";
/// Where its description is, for everybody.
const DOCUMENT: &str = "/api/v1/openapi.json";
/// What a write may send.
const BODY: usize = 64 * 1024;
/// What an import may send: some fifty thousand cards.
const IMPORT: usize = 4 * 1024 * 1024;

/// How much of the API a token may use.
#[derive(Debug, Clone, Copy)]
pub struct ApiLimits {
    /// Requests of one token in a minute.
    pub requests_per_minute: u32,
    /// Those at once after a quiet time.
    pub burst: u32,
}

/// Reading: `GET` and `HEAD`.
macro_rules! method {
    (get $handler:path) => {
        (web::route().guard(Any(Get()).or(Head())).to($handler), "GET", "GET, HEAD")
    };
    // A write is done once per key.
    (write $handler:path) => {
        (web::route().guard(Post()).to($handler).wrap(from_fn(once::once)), "POST", "POST")
    };
    // Harmless to repeat, and its answer must not be kept.
    (post $handler:path) => {
        (web::route().guard(Post()).to($handler), "POST", "POST")
    };
}

/// Lists what is served, once: the routes and the table that a test compares with the document.
macro_rules! routes {
    ($($method:ident $path:literal $handler:path, $limit:expr;)+) => {
        fn operations(services: &mut ServiceConfig) {
            $(
                let (route, _method, allowed) = method!($method $handler);
                services.service(resource($path, $limit, allowed).route(route));
            )+
        }

        /// Method and path of each operation.
        #[cfg(test)]
        fn served() -> Vec<(&'static str, String)> {
            vec![$((method!($method $handler).1, format!("{BASE}{}", $path))),+]
        }
    };
}

routes! {
    get "/shops" shops::list, BODY;
    get "/shops/{shop}" shops::show, BODY;
    get "/orders" orders::list, BODY;
    get "/shops/{shop}/orders/{order_sn}" orders::show, BODY;
    write "/shops/{shop}/orders/{order_sn}/retry" orders::retry, BODY;
    post "/shops/{shop}/orders/{order_sn}/cards/reveal" orders::reveal, BODY;
    write "/shops/{shop}/orders/{order_sn}/redemption/approve" redemptions::approve, BODY;
    write "/shops/{shop}/orders/{order_sn}/uses" redemptions::report_use, BODY;
    get "/redemptions" redemptions::list, BODY;
    get "/pools" cards::pools, BODY;
    get "/pools/{pool}" cards::pool, BODY;
    write "/pools/{pool}/cards" cards::import, IMPORT;
    get "/batches/{batch}/cards" cards::list, BODY;
    write "/cards/{card}/void" cards::void, BODY;
}

fn resource(path: &str, limit: usize, allowed: &'static str) -> Resource {
    let refuse = move |request: HttpRequest| async move { problem::only(request.path(), allowed) };
    web::resource(path)
        .app_data(PayloadConfig::new(limit))
        .app_data(once::Limit(limit))
        .default_service(web::to(refuse))
}

/// Adds the routes.
pub(crate) fn configure(services: &mut ServiceConfig) {
    let describe = web::resource(DOCUMENT)
        .route(web::route().guard(Any(Get()).or(Head())).to(describe))
        .default_service(web::to(problem::method_not_allowed));
    let operations =
        web::scope(BASE).wrap(from_fn(guard::guard)).configure(operations).default_service(web::to(problem::not_found));
    services.service(describe).service(operations);
}

/// Answers with the description of the API.
async fn describe() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(document::text())
}

#[cfg(test)]
mod tests;
