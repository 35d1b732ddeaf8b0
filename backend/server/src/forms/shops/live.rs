//! `POST /console/shops/{shop}/live` and `…/trial`: letting a shop deliver, and taking that back.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::go_live::{GoLive, GoLiveError, go_live, return_to_trial_run};
use kamiflow_kernel::{OrderSn, ShopId};

use super::page_of;
use crate::forms::door::{Desk, Refused};
use crate::forms::flash;

/// What the page sends: `start`, and `order` once per tick.
type LiveForm = web::Form<Vec<(String, String)>>;

/// Lets a shop deliver what is paid from now on, and of the backlog what was ticked.
pub(super) async fn go(desk: Desk, shop: web::Path<ShopId>, form: LiveForm) -> HttpResponse {
    let page = format!("{}/trial", page_of(*shop));
    let Ok(ticked) = ticked(&form) else {
        return desk.refuse(&page, Refused::Field("", "shops.not_releasable"), FormOutcome::default());
    };
    let request = GoLive::from_now(*shop, desk.ctx.now).with_backlog(ticked);
    match go_live(&desk.product.engine, &desk.ctx, &request).await {
        Ok(went) => {
            desk.product.waker.wake(desk.ctx.merchant, &went.wakes).await;
            flash::told(&desk.site, &page_of(*shop), "shops.live")
        }
        Err(error) => desk.refuse(&page, refused(error), FormOutcome::default()),
    }
}

/// Takes a shop back to showing what it would send.
pub(super) async fn back(desk: Desk, shop: web::Path<ShopId>) -> HttpResponse {
    let done = return_to_trial_run(&desk.product.engine, &desk.ctx, *shop).await;
    desk.told(&page_of(*shop), done.map_err(refused), "shops.trial_run")
}

/// Returns the orders that were ticked; none unless the backlog was chosen, because a browser sends ticks either way.
fn ticked(form: &[(String, String)]) -> Result<Vec<OrderSn>, Refused> {
    let chosen = form.iter().any(|(name, value)| name == "start" && value == "backlog");
    let orders = form.iter().filter(|(name, _)| chosen && name == "order");
    let parsed = orders.map(|(_, sn)| sn.parse().map_err(|_text| Refused::Field("", "shops.not_releasable")));
    parsed.collect()
}

fn refused(error: GoLiveError) -> Refused {
    match error {
        GoLiveError::Denied(denied) => denied.into(),
        GoLiveError::ShopUnknown => Refused::NotFound,
        GoLiveError::ShopStopped { .. } => Refused::Field("", "shops.stopped"),
        GoLiveError::NotVerified(_) => Refused::Field("", "shops.not_verified"),
        GoLiveError::NotReleasable(_) => Refused::Field("", "shops.not_releasable"),
        GoLiveError::NotReconciled { .. } => Refused::Field("", "shops.not_reconciled"),
        GoLiveError::BeforeRestore { .. } => Refused::Field("", "shops.before_restore"),
        GoLiveError::Store(error) => error.into(),
    }
}
