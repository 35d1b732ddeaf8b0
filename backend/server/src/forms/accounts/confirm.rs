//! `POST /confirm`: the link of the mail, pressed by a person; mail programs open links by themselves.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::confirm_email::{ConfirmEmailError, confirm_email};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct TokenForm {
    token: SecretText,
}

/// Makes the account, and goes on to logging in.
pub(super) async fn confirm(door: Door, form: web::Form<TokenForm>) -> HttpResponse {
    match confirm_email(&door.product.accounts, &door.visitor.visit, &form.token).await {
        Ok(confirmed) => {
            let outcome = FormOutcome::done("accounts.confirmed").typed("login", confirmed.login.as_str());
            flash::again(&door.site, "/log-in", outcome)
        }
        Err(ConfirmEmailError::TokenRefused) => {
            door.refuse("/confirm", Refused::Field("", "link.refused"), FormOutcome::default())
        }
        Err(error) => door.refuse("/confirm", Refused::Failed(Box::new(error)), FormOutcome::default()),
    }
}
