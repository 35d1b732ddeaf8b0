//! Forms: plain HTML, sent by `POST`, answered by a redirection.
//!
//! A handler extracts, calls one use case, and answers with [`flash::done`] or [`flash::again`]: 303 to a fixed path.
//! What went wrong travels in a short-lived cookie that scripts cannot read, as stable codes by field together with what
//! was typed and is no secret; the page finds the words in its catalogs. So every form works without scripts, and no
//! error ever stands in an address or goes to a `Referer`.
//!
//! To add a form: a file with its handler, a line in [`configure`], and `Field`s with the same names on a page.

mod accounts;
mod api;
pub(crate) mod door;
mod export;
pub(crate) mod flash;
mod orders;
mod pauses;
pub(crate) mod preferences;
mod rules;
mod shops;
mod staff;
mod stock;
mod team;
mod upload;
mod verification;

use actix_web::web::{self, ServiceConfig};

/// Adds the forms' routes.
pub(crate) fn configure(services: &mut ServiceConfig) {
    services
        .route("/preferences", web::post().to(preferences::change))
        .configure(accounts::configure)
        .configure(api::configure)
        .configure(export::configure)
        .configure(shops::configure)
        .configure(pauses::configure)
        .configure(rules::configure)
        .configure(stock::configure)
        .configure(team::configure)
        .configure(verification::configure)
        .configure(orders::configure)
        .configure(staff::configure);
}
