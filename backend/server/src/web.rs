//! The web application on actix: what stands between a browser and a page.
//!
//! # A request's way
//! ```text
//! tag (request id) ─► record (metrics) ─► dress (headers, CSP) ─► admit (host, origin) ─► deadline
//!                                                                                            │
//!        assets ◄── /assets/… ──────────────────────────────────────────────────────────────┤
//!        forms  ◄── POST ────────────────────────────────────────────────────────────────────┤
//!        frame (language, theme, form outcome) ─► Leptos, rendered whole ◄── GET ────────────┘
//! ```
//! - Nothing is believed that a client says of itself: the host must be one of ours, an unsafe method must come from a
//!   page of ours, and `X-Forwarded-For` counts only from a configured proxy.
//! - A refusal is a page for browsers and a problem document for programs; both name the request.
//! - Pages are rendered when all they need is known (`SsrMode::Async`), so the status is right.
//! - A form is answered by a redirection to a fixed path, never to the `Referer`.
//!
//! To add a page, see `kamiflow_app`; to add a form, [`crate::forms`].

mod admission;
mod assets;
mod client;
mod deadline;
mod headers;
mod pages;
mod refusal;
mod request_id;
mod site;

pub(crate) use self::admission::admit;
pub(crate) use self::client::client_addr;
pub(crate) use self::deadline::deadline;
pub(crate) use self::headers::dress;
pub(crate) use self::pages::{Pages, context_of, frame, provide};
pub(crate) use self::refusal::{failed, not_found, refuse};
pub(crate) use self::request_id::{request_id, tag};
pub use self::site::{Site, SiteError};

use actix_web::web::{self, FormConfig, PayloadConfig, ServiceConfig};

/// What any request may send; uploads set a limit of their own.
const BODY: usize = 256 * 1024;
/// What a form may send.
const FORM: usize = 64 * 1024;

/// Returns the page where somebody logs in who wants to see a path.
pub(crate) fn log_in_path(next: &str) -> String {
    with_next("/log-in", next)
}

/// Returns the page where somebody proves anew who she is, and what follows.
pub(crate) fn sudo_path(next: &str) -> String {
    with_next("/account/sudo", next)
}

fn with_next(page: &str, next: &str) -> String {
    let next = form_urlencoded::Serializer::new(String::new()).append_pair("next", next).finish();
    format!("{page}?{next}")
}

/// Adds the built files and the limits of bodies.
pub(crate) fn configure(services: &mut ServiceConfig) {
    services
        .app_data(PayloadConfig::new(BODY))
        .app_data(FormConfig::default().limit(FORM).error_handler(refusal::of_form))
        .route("/assets/{name}", web::get().to(assets::asset))
        .route("/assets/{name}", web::head().to(assets::asset));
}
