//! The forms about one order.

mod one;

use actix_web::web::{self, ServiceConfig};

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/console/shops/{shop}/orders/{order_sn}/retry", web::post().to(one::retry))
        .route("/console/shops/{shop}/orders/{order_sn}/release", web::post().to(one::release))
        .route("/console/shops/{shop}/orders/{order_sn}/cards", web::post().to(one::reveal));
}
