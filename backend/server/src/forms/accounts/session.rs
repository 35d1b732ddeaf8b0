//! What a session works for: which merchant, and live or test shops.

use actix_web::cookie::{Cookie, SameSite};
use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::switch_merchant::switch_merchant;
use kamiflow_kernel::MerchantId;
use serde::Deserialize;

use crate::forms::door::{Desk, Door, Refused};
use crate::forms::flash;
use crate::visitor::MODE;

/// What the switch of merchants sends.
#[derive(Deserialize)]
pub(super) struct MerchantForm {
    merchant: MerchantId,
}

/// Works for another merchant from now on.
pub(super) async fn merchant(door: Door, form: web::Form<MerchantForm>) -> HttpResponse {
    let account = match door.settled("/console") {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match switch_merchant(&door.product.accounts, &door.visitor.visit, account, form.merchant).await {
        Ok(()) => flash::done("/console"),
        Err(error) => door.refuse("/console", Refused::from(error), FormOutcome::default()),
    }
}

/// What the switch between live and test mode sends.
#[derive(Deserialize)]
pub(super) struct ModeForm {
    mode: String,
}

/// Shows sandbox shops only, or all others.
pub(super) async fn mode(desk: Desk, form: web::Form<ModeForm>) -> HttpResponse {
    let mut answer = flash::done("/console");
    let value = if form.mode == "test" { "test" } else { "live" };
    // Until the browser is closed: who comes back starts with what is real.
    let cookie = Cookie::build(desk.site.cookie_name(MODE), value)
        .path("/")
        .http_only(true)
        .secure(desk.site.is_secure())
        .same_site(SameSite::Lax)
        .finish();
    let _kept = answer.add_cookie(&cookie);
    answer
}
