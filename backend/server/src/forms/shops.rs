//! The forms about shops.

mod sandbox;

use actix_web::web::{self, ServiceConfig};

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/console/shops/sandbox", web::post().to(sandbox::create))
        .route("/console/shops/{shop}/buyer", web::post().to(sandbox::buy));
}
