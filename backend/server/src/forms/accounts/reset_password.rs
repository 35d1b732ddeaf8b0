//! `POST /reset-password` asks for a link, `POST /reset` uses it.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::reset_password::{ResetPasswordError, request_password_reset, reset_password};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::password_code;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct RequestForm {
    email: String,
}

/// Sends a link, if there is such an account; the answer does not tell.
pub(super) async fn request(door: Door, form: web::Form<RequestForm>) -> HttpResponse {
    match request_password_reset(&door.product.accounts, &door.visitor.visit, form.email.trim()).await {
        Ok(()) => flash::told(&door.site, "/reset-password", "accounts.reset_sent"),
        Err(error) => {
            let typed = FormOutcome::default().typed("email", &form.email);
            door.refuse("/reset-password", refused(error), typed)
        }
    }
}

/// What the page of the link sends.
#[derive(Deserialize)]
pub(super) struct ResetForm {
    token: SecretText,
    password: SecretText,
}

/// Sets a new password and goes on to logging in. All sessions have ended.
pub(super) async fn reset(door: Door, form: web::Form<ResetForm>) -> HttpResponse {
    let ResetForm { token, password } = form.into_inner();
    match reset_password(&door.product.accounts, &door.visitor.visit, &token, password).await {
        Ok(()) => flash::told(&door.site, "/log-in", "accounts.password_changed"),
        // The link stays in the address: a refused password may be corrected.
        Err(error) => door.refuse(&format!("/reset?token={}", token.expose()), refused(error), FormOutcome::default()),
    }
}

fn refused(error: ResetPasswordError) -> Refused {
    match error {
        ResetPasswordError::Email(_) => Refused::Field("email", "email.invalid"),
        ResetPasswordError::New(error) => Refused::Field("password", password_code(error)),
        ResetPasswordError::TokenRefused => Refused::Field("", "link.refused"),
        ResetPasswordError::TooMany { .. } => Refused::Field("", "limited"),
        other => Refused::Failed(Box::new(other)),
    }
}
