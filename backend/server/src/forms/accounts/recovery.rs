//! `POST /recover`: an owner who lost everything asks, the team may stop it, and a link leads to a new start.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::accounts::recovery::finish::{begin_anew, finish_anew};
use kamiflow_domain::accounts::recovery::{AskRecovery, RecoveryError, ask_recovery, stop_recovery};
use kamiflow_domain::accounts::{Chosen, EnrollError};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::enroll_refused;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct AskForm {
    login: String,
    contact: String,
    number: SecretText,
}

/// Asks; the answer does not tell whether there is such an owner.
pub(super) async fn ask(door: Door, form: web::Form<AskForm>) -> HttpResponse {
    let AskForm { login, contact, number } = form.into_inner();
    let request = AskRecovery { login: login.trim().to_owned(), contact: contact.trim().to_owned(), number };
    match ask_recovery(&door.product.accounts, &door.visitor.visit, &request).await {
        Ok(()) => flash::told(&door.site, "/recover", "accounts.recovery_asked"),
        Err(error) => {
            // The number is given back to nobody.
            let typed = FormOutcome::default().typed("login", &request.login).typed("contact", &request.contact);
            door.refuse("/recover", refused(error), typed)
        }
    }
}

/// What the pages of links send.
#[derive(Deserialize)]
pub(super) struct TokenForm {
    token: SecretText,
}

/// Stops it.
pub(super) async fn stop(door: Door, form: web::Form<TokenForm>) -> HttpResponse {
    match stop_recovery(&door.product.accounts, &door.visitor.visit, &form.token).await {
        Ok(()) => flash::told(&door.site, "/recover/stop", "accounts.recovery_stopped"),
        Err(error) => door.refuse("/recover/stop", refused(error), FormOutcome::default()),
    }
}

/// Shows the seed.
pub(super) async fn begin(door: Door, form: web::Form<TokenForm>) -> HttpResponse {
    let TokenForm { token } = form.into_inner();
    match begin_anew(&door.product.accounts, &door.visitor.visit, &token).await {
        Ok(seed) => {
            door.once(Once::FirstSeed { seed: (seed.text, seed.url), action: "/recover/finish/confirm", token })
        }
        Err(error) => again(&door, &token, error),
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
    match finish_anew(&door.product.accounts, &door.visitor.visit, &token, Chosen { password, code }).await {
        Ok(codes) => door.once(Once::FirstCodes { codes, next: "/log-in" }),
        Err(error) => again(&door, &token, error),
    }
}

fn again(door: &Door, token: &SecretText, error: EnrollError) -> HttpResponse {
    let page = format!("/recover/finish?token={}", token.expose());
    door.refuse(&page, enroll_refused(error), FormOutcome::default())
}

fn refused(error: RecoveryError) -> Refused {
    match error {
        RecoveryError::Login(_) => Refused::Field("login", "email.invalid"),
        RecoveryError::Contact(_) => Refused::Field("contact", "email.invalid"),
        RecoveryError::Number => Refused::Field("number", "recovery.number"),
        RecoveryError::TokenRefused => Refused::Field("", "link.refused"),
        RecoveryError::TooMany { .. } => Refused::Field("", "limited"),
        other => Refused::Failed(Box::new(other)),
    }
}
