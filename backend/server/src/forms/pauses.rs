//! `POST /console/pauses/{target}` and `…/end`: one form for everything that can be paused.
//!
//! A target is its own id, which says of what kind it is; the merchant's is meant for her alone.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use chrono::TimeDelta;
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::pause::{Pause, PauseError, PauseScope, PausedWork, pause, resume, scope_of_target};
use serde::Deserialize;

use super::door::{Desk, Refused};
use super::flash;

/// As the database has it.
const LONGEST_REASON: usize = 500;
const PAGE: &str = "/console/pauses";

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/console/pauses/{target}", web::post().to(set))
        .route("/console/pauses/{target}/end", web::post().to(end));
}

/// What the page sends.
#[derive(Deserialize)]
struct PauseForm {
    /// `delivery`, `redemption` or `both`.
    work: String,
    reason: String,
    /// Empty: until somebody ends it.
    hours: String,
}

/// Pauses work.
async fn set(desk: Desk, target: web::Path<String>, form: web::Form<PauseForm>) -> HttpResponse {
    let outcome = FormOutcome::default().typed("reason", &form.reason);
    let Some(scope) = scope_of_target(&desk.ctx, &target) else {
        return desk.refuse(PAGE, Refused::NotFound, outcome);
    };
    match set_all(&desk, scope, &form).await {
        Ok(()) => flash::told(&desk.site, &page_of(scope, &target), "pauses.set"),
        Err(refused) => desk.refuse(&form_of(scope, &target), refused, outcome),
    }
}

async fn set_all(desk: &Desk, scope: PauseScope, form: &PauseForm) -> Result<(), Refused> {
    let reason = form.reason.trim();
    if reason.is_empty() {
        return Err(Refused::Field("reason", "required"));
    }
    if reason.chars().count() > LONGEST_REASON {
        return Err(Refused::Field("reason", "shops.reason_too_long"));
    }
    let ends_at = match form.hours.as_str() {
        "" => None,
        "1" | "4" | "24" => form.hours.parse().ok().map(|hours| desk.ctx.now + TimeDelta::hours(hours)),
        _ => return Err(Refused::Field("hours", "shops.hours")),
    };
    for work in works(&form.work)? {
        let request = Pause { scope, work, reason: reason.to_owned(), ends_at };
        pause(&desk.product.engine, &desk.ctx, &request).await.map_err(refused)?;
    }
    Ok(())
}

/// What the button beside a pause sends.
#[derive(Deserialize)]
struct EndForm {
    work: String,
}

/// Ends a pause.
async fn end(desk: Desk, target: web::Path<String>, form: web::Form<EndForm>) -> HttpResponse {
    let Some(scope) = scope_of_target(&desk.ctx, &target) else {
        return desk.refuse(PAGE, Refused::NotFound, FormOutcome::default());
    };
    let done = end_all(&desk, scope, &form.work).await;
    desk.told(&page_of(scope, &target), done, "pauses.ended")
}

async fn end_all(desk: &Desk, scope: PauseScope, work: &str) -> Result<(), Refused> {
    for work in works(work)? {
        let wakes = resume(&desk.product.engine, &desk.ctx, scope, work).await.map_err(refused)?;
        desk.product.waker.wake(desk.ctx.merchant, &wakes).await;
    }
    Ok(())
}

/// Returns the page that shows a pause: the target's own, or that of all pauses.
fn page_of(scope: PauseScope, target: &str) -> String {
    match scope {
        PauseScope::Shop(_) => format!("/console/shops/{target}"),
        PauseScope::Pool(_) => format!("/console/pools/{target}"),
        PauseScope::Merchant | PauseScope::Sku(_) | PauseScope::Batch(_) => PAGE.to_owned(),
    }
}

/// Returns the page that has the form.
fn form_of(scope: PauseScope, target: &str) -> String {
    match scope {
        PauseScope::Sku(_) | PauseScope::Batch(_) => format!("{PAGE}/{target}"),
        PauseScope::Merchant | PauseScope::Shop(_) | PauseScope::Pool(_) => page_of(scope, target),
    }
}

fn works(text: &str) -> Result<Vec<PausedWork>, Refused> {
    match text {
        "delivery" => Ok(vec![PausedWork::Delivery]),
        "redemption" => Ok(vec![PausedWork::Redemption]),
        "both" => Ok(vec![PausedWork::Delivery, PausedWork::Redemption]),
        _ => Err(Refused::Field("work", "shops.work")),
    }
}

fn refused(error: PauseError) -> Refused {
    match error {
        PauseError::Denied(denied) => denied.into(),
        PauseError::TargetUnknown => Refused::NotFound,
        PauseError::Closing => Refused::Field("", "shops.closing"),
        PauseError::EndsInThePast => Refused::Field("hours", "shops.hours"),
        PauseError::Store(error) => error.into(),
    }
}
