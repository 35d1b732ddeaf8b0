//! `POST /console/shops/{shop}/pause` and `…/resume`.

use actix_web::{HttpResponse, web};
use chrono::TimeDelta;
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::pause::{Pause, PauseError, PauseScope, PausedWork, pause, resume};
use kamiflow_kernel::ShopId;
use serde::Deserialize;

use super::page_of;
use crate::forms::door::{Desk, Refused};
use crate::forms::flash;

/// As the database has it.
const LONGEST_REASON: usize = 500;

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct PauseForm {
    /// `delivery`, `redemption` or `both`.
    work: String,
    reason: String,
    /// Empty: until somebody ends it.
    hours: String,
}

/// Pauses a shop's work.
pub(super) async fn set(desk: Desk, shop: web::Path<ShopId>, form: web::Form<PauseForm>) -> HttpResponse {
    let page = page_of(*shop);
    let done = set_all(&desk, *shop, &form).await;
    let outcome = FormOutcome::default().typed("reason", &form.reason);
    match done {
        Ok(()) => flash::told(&desk.site, &page, "shops.paused"),
        Err(refused) => desk.refuse(&page, refused, outcome),
    }
}

async fn set_all(desk: &Desk, shop: ShopId, form: &PauseForm) -> Result<(), Refused> {
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
        let request = Pause { scope: PauseScope::Shop(shop), work, reason: reason.to_owned(), ends_at };
        pause(&desk.product.engine, &desk.ctx, &request).await.map_err(refused)?;
    }
    Ok(())
}

/// What the button beside a pause sends.
#[derive(Deserialize)]
pub(super) struct ResumeForm {
    work: String,
}

/// Ends a pause of a shop.
pub(super) async fn end(desk: Desk, shop: web::Path<ShopId>, form: web::Form<ResumeForm>) -> HttpResponse {
    let done = end_all(&desk, *shop, &form.work).await;
    desk.told(&page_of(*shop), done, "shops.resumed")
}

async fn end_all(desk: &Desk, shop: ShopId, work: &str) -> Result<(), Refused> {
    for work in works(work)? {
        let wakes = resume(&desk.product.engine, &desk.ctx, PauseScope::Shop(shop), work).await.map_err(refused)?;
        desk.product.waker.wake(desk.ctx.merchant, &wakes).await;
    }
    Ok(())
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
        PauseError::EndsInThePast => Refused::Field("hours", "shops.hours"),
        PauseError::Store(error) => error.into(),
    }
}
