//! The forms about shops.

mod connect;
mod disconnect;
mod live;
mod outside;
mod sandbox;
mod take_overs;

use actix_web::web::{self, ServiceConfig};
use kamiflow_kernel::ShopId;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/authorize/{token}", web::post().to(connect::begin_link))
        .route("/console/shops/authorize", web::post().to(connect::begin))
        .route("/console/shops/keys", web::post().to(connect::keys))
        .route("/console/shops/link", web::post().to(connect::link))
        .route("/console/shops/new", web::post().to(connect::again))
        .route("/console/shops/sandbox", web::post().to(sandbox::create))
        .route("/console/take-overs/{request}", web::post().to(take_overs::answer))
        .route("/console/shops/{shop}/buyer", web::post().to(sandbox::buy))
        .route("/console/shops/{shop}/disconnect", web::post().to(disconnect::disconnect))
        .route("/console/shops/{shop}/keys", web::post().to(connect::secret))
        .route("/console/shops/{shop}/live", web::post().to(live::go))
        .route("/console/shops/{shop}/outside", web::post().to(outside::resolve))
        .route("/console/shops/{shop}/trial", web::post().to(live::back));
}

/// Returns the page of a shop.
fn page_of(shop: ShopId) -> String {
    format!("/console/shops/{shop}")
}
