//! `POST /console/shops/{shop}/outside`: somebody has seen to the other tool.

use actix_web::{HttpResponse, web};
use kamiflow_domain::handled_outside::resolve_warning;
use kamiflow_kernel::ShopId;

use super::page_of;
use crate::forms::door::{Desk, Refused};

/// Resolves the warning; the list of orders stays.
pub(super) async fn resolve(desk: Desk, shop: web::Path<ShopId>) -> HttpResponse {
    let done = resolve_warning(&desk.product.engine, &desk.ctx, *shop).await;
    desk.told(&format!("{}/outside", page_of(*shop)), done.map_err(Refused::from), "shops.outside_resolved")
}
