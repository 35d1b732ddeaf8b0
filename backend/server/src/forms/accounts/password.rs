//! `POST /account/password`.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::change_password::{ChangePasswordError, change_password};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::password_code;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;
use crate::web::log_in_path;

/// The page.
const PAGE: &str = "/account/password";

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct PasswordForm {
    present: SecretText,
    password: SecretText,
}

/// Changes it; other devices are signed out. Somebody with a temporary password can do nothing else before.
pub(super) async fn change(door: Door, form: web::Form<PasswordForm>) -> HttpResponse {
    let Some(account) = &door.visitor.account else { return flash::done(&log_in_path(PAGE)) };
    let PasswordForm { present, password } = form.into_inner();
    let (accounts, visit) = (&door.product.accounts, &door.visitor.visit);
    let next = if account.must_change_password { "/console" } else { "/account/security" };
    match change_password(accounts, visit, account, (&present, password)).await {
        Ok(()) => flash::told(&door.site, next, "accounts.password_changed"),
        Err(error) => door.refuse(PAGE, password_refused(error), FormOutcome::default()),
    }
}

/// Returns what is said of a password that was not changed.
pub(in crate::forms) fn password_refused(error: ChangePasswordError) -> Refused {
    match error {
        ChangePasswordError::Wrong => Refused::Field("present", "password.wrong"),
        ChangePasswordError::New(error) => Refused::Field("password", password_code(error)),
        ChangePasswordError::Same => Refused::Field("password", "password.same"),
        ChangePasswordError::TooMany { .. } => Refused::Field("", "limited"),
        other => Refused::Failed(Box::new(other)),
    }
}
