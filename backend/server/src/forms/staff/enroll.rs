//! `POST /staff/enroll`: the operator's link, a password, a code generator.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::accounts::staff::enroll::{begin_enrollment, finish_enrollment};
use kamiflow_domain::accounts::{Chosen, EnrollError};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use crate::console::STAFF_LOG_IN;
use crate::forms::accounts::enroll_refused;
use crate::forms::door::Door;

/// What the page of the link sends.
#[derive(Deserialize)]
pub(super) struct TokenForm {
    token: SecretText,
}

/// Shows the seed.
pub(super) async fn begin(door: Door, form: web::Form<TokenForm>) -> HttpResponse {
    let TokenForm { token } = form.into_inner();
    match begin_enrollment(&door.product.accounts, &door.visitor.visit, &token).await {
        Ok(seed) => door.once(Once::FirstSeed { seed: (seed.text, seed.url), action: "/staff/enroll/confirm", token }),
        Err(error) => refuse(&door, &token, error),
    }
}

/// What the page with the seed sends.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    token: SecretText,
    password: SecretText,
    code: SecretText,
}

/// Takes the password and the first code, and shows the recovery codes.
pub(super) async fn finish(door: Door, form: web::Form<CodeForm>) -> HttpResponse {
    let CodeForm { token, password, code } = form.into_inner();
    match finish_enrollment(&door.product.accounts, &door.visitor.visit, &token, Chosen { password, code }).await {
        Ok(codes) => door.once(Once::FirstCodes { codes, next: STAFF_LOG_IN }),
        Err(error) => refuse(&door, &token, error),
    }
}

/// The link stays in the address: what was refused may be corrected, and a seed that was lost is made anew.
fn refuse(door: &Door, token: &SecretText, error: EnrollError) -> HttpResponse {
    let page = format!("/staff/enroll?token={}", token.expose());
    door.refuse(&page, enroll_refused(error), FormOutcome::default())
}
