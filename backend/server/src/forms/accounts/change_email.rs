//! `POST /account/email` asks for another address, `POST /change-email` confirms it: one of two links.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::change_email::{
    ChangeEmailError, EmailChange, confirm_email_change, request_email_change,
};
use kamiflow_domain::ctx::Denied;
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// The page that asks.
const PAGE: &str = "/account/email";

/// What that page sends.
#[derive(Deserialize)]
pub(super) struct EmailForm {
    email: String,
}

/// Sends a link to both addresses. Whether somebody has the new one, the answer does not tell.
pub(super) async fn request(door: Door, form: web::Form<EmailForm>) -> HttpResponse {
    let account = match door.settled(PAGE) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    let email = form.email.trim();
    match request_email_change(&door.product.accounts, &door.visitor.visit, account, email).await {
        Ok(()) => flash::told(&door.site, "/account/security", "accounts.email_asked"),
        Err(error) => {
            let refused = match error {
                ChangeEmailError::Sudo(_) => Refused::Denied(Denied::SudoNeeded),
                ChangeEmailError::Email(_) => Refused::Field("email", "email.invalid"),
                ChangeEmailError::NoEmail => Refused::Field("", "email.none"),
                ChangeEmailError::TooMany { .. } => Refused::Field("", "limited"),
                other => Refused::Failed(Box::new(other)),
            };
            door.refuse(PAGE, refused, FormOutcome::default().typed("email", email))
        }
    }
}

/// What the page of a link sends.
#[derive(Deserialize)]
pub(super) struct TokenForm {
    token: SecretText,
}

/// Confirms one side.
pub(super) async fn confirm(door: Door, form: web::Form<TokenForm>) -> HttpResponse {
    match confirm_email_change(&door.product.accounts, &door.visitor.visit, &form.token).await {
        Ok(EmailChange::Half) => flash::told(&door.site, "/change-email", "accounts.email_half"),
        Ok(EmailChange::Done(_)) => flash::told(&door.site, "/log-in", "accounts.email_changed"),
        Err(ChangeEmailError::TokenRefused) => {
            door.refuse("/change-email", Refused::Field("", "link.refused"), FormOutcome::default())
        }
        Err(error) => door.refuse("/change-email", Refused::Failed(Box::new(error)), FormOutcome::default()),
    }
}
