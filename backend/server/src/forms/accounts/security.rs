//! The forms of `/account/security`: devices and second factors.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::accounts::remove_factor::{RemoveFactorError, remove_factor};
use kamiflow_domain::accounts::sessions::{end_session, sign_out_others};
use kamiflow_domain::accounts::totp::{TotpError, confirm_totp, enroll_totp, renew_recovery_codes};
use kamiflow_domain::ctx::Denied;
use kamiflow_kernel::{FactorId, SecretText, SessionId};
use serde::Deserialize;

use crate::forms::door::{Desk, Refused};

/// The page.
const PAGE: &str = "/account/security";

/// Makes a seed and shows it.
pub(super) async fn enroll(desk: Desk) -> HttpResponse {
    match enroll_totp(&desk.product.accounts, &desk.visitor.visit, &desk.account).await {
        Ok(seed) => desk.once(Once::TotpSeed { text: seed.text, url: seed.url }).await,
        Err(error) => desk.refuse(PAGE, refused(error), FormOutcome::default()),
    }
}

/// What the page with the seed sends.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: SecretText,
}

/// Takes the first code; shows recovery codes the first time.
pub(super) async fn confirm(desk: Desk, form: web::Form<CodeForm>) -> HttpResponse {
    let code = SecretText::new(form.code.expose().chars().filter(|c| !c.is_whitespace()).collect());
    match confirm_totp(&desk.product.accounts, &desk.visitor.visit, &desk.account, &code).await {
        Ok(codes) if codes.is_empty() => desk.told(PAGE, Ok(()), "accounts.proven"),
        Ok(codes) => desk.once(Once::RecoveryCodes(codes)).await,
        Err(error) => desk.refuse(PAGE, refused(error), FormOutcome::default()),
    }
}

/// Makes new recovery codes and shows them.
pub(super) async fn codes(desk: Desk) -> HttpResponse {
    match renew_recovery_codes(&desk.product.accounts, &desk.visitor.visit, &desk.account).await {
        Ok(codes) => desk.once(Once::RecoveryCodes(codes)).await,
        Err(error) => desk.refuse(PAGE, refused(error), FormOutcome::default()),
    }
}

fn refused(error: TotpError) -> Refused {
    match error {
        TotpError::Sudo(_) => Denied::SudoNeeded.into(),
        TotpError::WrongCode => Refused::Field("", "code.refused"),
        TotpError::Store(error) => error.into(),
    }
}

/// Which factor.
#[derive(Deserialize)]
pub(super) struct FactorForm {
    factor: FactorId,
}

/// Removes a factor.
pub(super) async fn remove(desk: Desk, form: web::Form<FactorForm>) -> HttpResponse {
    let done = remove_factor(&desk.product.accounts, &desk.visitor.visit, &desk.account, form.factor).await;
    let done = done.map_err(|error| match error {
        RemoveFactorError::Sudo(_) => Denied::SudoNeeded.into(),
        RemoveFactorError::Store(error) => Refused::from(error),
    });
    desk.told(PAGE, done, "accounts.factor_removed")
}

/// Which device.
#[derive(Deserialize)]
pub(super) struct SessionForm {
    session: SessionId,
}

/// Signs out of another device.
pub(super) async fn end(desk: Desk, form: web::Form<SessionForm>) -> HttpResponse {
    let done = end_session(&desk.product.accounts, &desk.visitor.visit, &desk.account, form.session).await;
    desk.told(PAGE, done.map_err(Refused::from), "accounts.signed_out")
}

/// Signs out of all other devices.
pub(super) async fn end_others(desk: Desk) -> HttpResponse {
    let done = sign_out_others(&desk.product.accounts, &desk.visitor.visit, &desk.account).await;
    desk.told(PAGE, done.map(|_ended| ()).map_err(Refused::from), "accounts.signed_out")
}
