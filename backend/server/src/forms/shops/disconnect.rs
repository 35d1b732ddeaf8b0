//! `POST /console/shops/{shop}/disconnect`.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::connection_take_over::disconnect_shop;
use kamiflow_domain::ctx::ActError;
use kamiflow_kernel::ShopId;

use super::page_of;
use crate::forms::door::Desk;
use crate::forms::flash;

/// Disconnects a shop; its page stays, with its history.
pub(super) async fn disconnect(desk: Desk, shop: web::Path<ShopId>) -> HttpResponse {
    let page = page_of(*shop);
    // Whoever has to prove who they are comes back to the question.
    let question = format!("{page}/disconnect");
    match disconnect_shop(&desk.product.engine, &desk.ctx, *shop).await {
        Ok(()) => flash::told(&desk.site, &page, "shops.disconnected"),
        Err(ActError::Denied(denied)) => desk.refuse(&question, denied.into(), FormOutcome::default()),
        Err(ActError::Store(error)) => desk.refuse(&page, error.into(), FormOutcome::default()),
    }
}
