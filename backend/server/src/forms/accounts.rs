//! The forms of accounts: signing up, logging in and out, passwords, and proving oneself anew.

mod challenge;
mod change_email;
mod confirm;
mod delete;
mod log_in;
mod passkey;
mod password;
mod recovery;
mod reset_password;
mod security;
mod session;
mod sign_up;
mod sudo;

use actix_web::web::{self, ServiceConfig};
use kamiflow_domain::accounts::EnrollError;
use kamiflow_domain::accounts::password::PasswordRefused;
use kamiflow_kernel::PasswordError;

pub(super) use self::challenge::Challenge;
pub(super) use self::log_in::proof;
pub(super) use self::password::password_refused;

use super::door::Refused;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/sign-up", web::post().to(sign_up::sign_up))
        .route("/sign-up/sent", web::post().to(sign_up::resend))
        .route("/confirm", web::post().to(confirm::confirm))
        .route("/log-in", web::post().to(log_in::log_in))
        .route("/log-in/second-step", web::post().to(log_in::second_step))
        .route("/log-in/second-step/passkey", web::post().to(passkey::ask_in_second_step))
        .route("/log-in/second-step/passkey/answer", web::post().to(passkey::second_step))
        .route("/log-out", web::post().to(log_in::log_out))
        .route("/reset-password", web::post().to(reset_password::request))
        .route("/reset", web::post().to(reset_password::reset))
        .route("/change-email", web::post().to(change_email::confirm))
        .route("/recover", web::post().to(recovery::ask))
        .route("/recover/stop", web::post().to(recovery::stop))
        .route("/recover/finish", web::post().to(recovery::begin))
        .route("/recover/finish/confirm", web::post().to(recovery::finish))
        .route("/account/delete", web::post().to(delete::delete))
        .route("/account/email", web::post().to(change_email::request))
        .route("/account/password", web::post().to(password::change))
        .route("/account/security/totp", web::post().to(security::enroll))
        .route("/account/security/totp/confirm", web::post().to(security::confirm))
        .route("/account/security/passkey", web::post().to(passkey::begin))
        .route("/account/security/passkey/answer", web::post().to(passkey::add))
        .route("/account/security/codes", web::post().to(security::codes))
        .route("/account/security/factor", web::post().to(security::remove))
        .route("/account/security/session", web::post().to(security::end))
        .route("/account/security/others", web::post().to(security::end_others))
        .route("/account/merchants", web::post().to(session::merchant))
        .route("/console/mode", web::post().to(session::mode))
        .route("/account/sudo", web::post().to(sudo::sudo))
        .route("/account/sudo/passkey", web::post().to(passkey::ask_for_sudo))
        .route("/account/sudo/passkey/answer", web::post().to(passkey::sudo));
}

/// Returns what is said of a link that leads to a password and a code generator.
pub(super) fn enroll_refused(error: EnrollError) -> Refused {
    match error {
        // The page that it is told on begins anew, and asks for no password yet.
        EnrollError::New(error) => Refused::Field("", password_code(error)),
        EnrollError::TokenRefused => Refused::Field("", "link.refused"),
        EnrollError::WrongCode => Refused::Field("", "code.refused"),
        EnrollError::TooMany { .. } => Refused::Field("", "limited"),
        other => Refused::Failed(Box::new(other)),
    }
}

/// Returns the code that says why a password was refused.
const fn password_code(refused: PasswordRefused) -> &'static str {
    match refused {
        PasswordRefused::Form(PasswordError::TooShort) => "password.too_short",
        PasswordRefused::Form(PasswordError::TooLong) => "password.too_long",
        PasswordRefused::Common => "password.too_common",
    }
}
