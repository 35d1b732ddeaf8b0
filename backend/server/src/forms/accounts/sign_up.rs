//! `POST /sign-up`, and asking for the mail once more.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::resend_confirmation::{ResendConfirmationError, resend_confirmation};
use kamiflow_domain::accounts::sign_up::{SignUp, SignUpError, sign_up as use_case};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::password_code;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// The page that says that a mail is on its way.
const SENT: &str = "/sign-up/sent";

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct SignUpForm {
    email: String,
    password: SecretText,
    merchant: String,
}

/// Signs somebody up: the answer is the same whether or not there is such an account.
pub(super) async fn sign_up(door: Door, form: web::Form<SignUpForm>) -> HttpResponse {
    let SignUpForm { email, password, merchant } = form.into_inner();
    let typed = FormOutcome::default().typed("email", &email).typed("merchant", &merchant);
    let request = SignUp { email: email.trim().to_owned(), password, merchant_name: merchant };
    match use_case(&door.product.accounts, &door.visitor.visit, request).await {
        Ok(()) => flash::again(&door.site, SENT, FormOutcome::default().typed("email", email.trim())),
        Err(error) => door.refuse("/sign-up", refused(error), typed),
    }
}

fn refused(error: SignUpError) -> Refused {
    match error {
        SignUpError::Email(_) => Refused::Field("email", "email.invalid"),
        SignUpError::Password(error) => Refused::Field("password", password_code(error)),
        SignUpError::MerchantName => Refused::Field("merchant", "merchant.invalid"),
        SignUpError::TooMany { .. } => Refused::Field("", "limited"),
        other => Refused::Failed(Box::new(other)),
    }
}

/// What the page behind the form sends.
#[derive(Deserialize)]
pub(super) struct ResendForm {
    email: String,
}

/// Sends the mail once more.
pub(super) async fn resend(door: Door, form: web::Form<ResendForm>) -> HttpResponse {
    let typed = FormOutcome::default().typed("email", &form.email);
    match resend_confirmation(&door.product.accounts, &door.visitor.visit, form.email.trim()).await {
        Ok(()) => {
            flash::again(&door.site, SENT, FormOutcome { notice: Some("accounts.sent_again".to_owned()), ..typed })
        }
        Err(error) => {
            let refused = match error {
                ResendConfirmationError::Email(_) => Refused::Field("email", "email.invalid"),
                ResendConfirmationError::TooMany { .. } => Refused::Field("", "limited"),
                other => Refused::Failed(Box::new(other)),
            };
            door.refuse(SENT, refused, typed)
        }
    }
}
