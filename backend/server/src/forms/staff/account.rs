//! The forms of a member of the staff about her own account.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::staff::own_account::{change_staff_password, choose_staff_language, end_staff_session};
use kamiflow_kernel::{Locale, SecretText, SessionId};
use serde::Deserialize;

use super::StaffDesk;
use crate::forms::accounts::password_refused;
use crate::forms::door::Refused;
use crate::forms::preferences::{LANGUAGE, Preferences, kept, local_path};

/// The page.
const PAGE: &str = "/staff/account";

/// What the form of the password sends.
#[derive(Deserialize)]
pub(super) struct PasswordForm {
    present: SecretText,
    password: SecretText,
}

/// Changes the password.
pub(super) async fn password(desk: StaffDesk, form: web::Form<PasswordForm>) -> HttpResponse {
    let PasswordForm { present, password } = form.into_inner();
    let (accounts, visit) = (&desk.door.product.accounts, &desk.door.visitor.visit);
    let done = change_staff_password(accounts, visit, &desk.member, (&present, password)).await;
    desk.told(PAGE, done.map_err(password_refused), "accounts.password_changed")
}

/// Which device.
#[derive(Deserialize)]
pub(super) struct SessionForm {
    session: SessionId,
}

/// Signs out of a device.
pub(super) async fn end(desk: StaffDesk, form: web::Form<SessionForm>) -> HttpResponse {
    let (accounts, visit) = (&desk.door.product.accounts, &desk.door.visitor.visit);
    let done = end_staff_session(accounts, visit, &desk.member, form.session).await;
    desk.told(PAGE, done.map_err(Refused::from), "accounts.signed_out")
}

/// Keeps the language, and goes back to the page it was chosen on.
pub(super) async fn language(desk: StaffDesk, form: web::Form<Preferences>) -> HttpResponse {
    let page = local_path(form.return_to.as_deref());
    let Some(locale) = form.language.as_deref().and_then(Locale::from_tag) else {
        return crate::forms::flash::done(page);
    };
    match choose_staff_language(&desk.door.product.accounts, &desk.member, locale).await {
        Ok(()) => {
            // The log-in speaks it as well.
            let mut answer = crate::forms::flash::done(page);
            let _kept = answer.add_cookie(&kept(&desk.door.site, LANGUAGE, locale.tag()));
            answer
        }
        Err(error) => desk.door.refuse(page, error.into(), FormOutcome::default()),
    }
}
