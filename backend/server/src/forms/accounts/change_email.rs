//! `POST /change-email`: one of the two links that confirm a change of address.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::change_email::{ChangeEmailError, EmailChange, confirm_email_change};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// What the page sends.
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
