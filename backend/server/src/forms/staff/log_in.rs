//! `POST /staff/log-in` with its second step, which nobody is spared, and `POST /staff/log-out`.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::log_in::LogInError;
use kamiflow_domain::accounts::second_step::SecondStepError;
use kamiflow_domain::accounts::staff::log_in::{log_in_staff, second_step_of_staff, sign_out_staff};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::StaffDesk;
use crate::console::{STAFF_HOME, STAFF_LOG_IN};
use crate::forms::accounts::{Challenge, proof};
use crate::forms::door::{Door, Refused};
use crate::forms::flash;
use crate::visitor;

const SECOND_STEP: &str = "/staff/log-in/second-step";
/// Another cookie than the customers', so that two log-ins of one browser do not meet.
const CHALLENGE: Challenge = Challenge("kf_staff_challenge");

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct LogInForm {
    email: String,
    password: SecretText,
}

/// Takes the password.
pub(super) async fn log_in(door: Door, form: web::Form<LogInForm>) -> HttpResponse {
    let LogInForm { email, password } = form.into_inner();
    match log_in_staff(&door.product.accounts, &door.visitor.visit, email.trim(), &password).await {
        Ok(challenge) => {
            let mut answer = flash::done(SECOND_STEP);
            let _kept = answer.add_cookie(&CHALLENGE.cookie(&door.site, &challenge));
            answer
        }
        Err(error) => {
            let refused = match error {
                LogInError::Wrong => Refused::Field("", "log_in.refused"),
                LogInError::TooMany { .. } => Refused::Field("", "limited"),
                other => Refused::Failed(Box::new(other)),
            };
            door.refuse(STAFF_LOG_IN, refused, FormOutcome::default().typed("email", &email))
        }
    }
}

/// What the page of the second step sends.
#[derive(Deserialize)]
pub(super) struct CodeForm {
    code: SecretText,
}

/// Takes the code and begins a session.
pub(super) async fn second_step(door: Door, form: web::Form<CodeForm>) -> HttpResponse {
    let Some(challenge) = CHALLENGE.of(&door) else {
        return door.refuse(STAFF_LOG_IN, Refused::Field("", "log_in.too_late"), FormOutcome::default());
    };
    let proof = proof(form.into_inner().code);
    match second_step_of_staff(&door.product.accounts, &door.visitor.visit, &challenge, &proof).await {
        Ok(session) => {
            let mut answer = flash::done(STAFF_HOME);
            let _kept = answer.add_cookie(&visitor::staff_begun(&door.site, &session));
            let _removed = answer.add_cookie(&CHALLENGE.removal(&door.site));
            answer
        }
        Err(error) => {
            let (page, refused) = match error {
                SecondStepError::ChallengeRefused => (STAFF_LOG_IN, Refused::Field("", "log_in.too_late")),
                SecondStepError::Wrong => (SECOND_STEP, Refused::Field("code", "code.refused")),
                SecondStepError::TooMany { .. } => (SECOND_STEP, Refused::Field("", "limited")),
                other => (SECOND_STEP, Refused::Failed(Box::new(other))),
            };
            door.refuse(page, refused, FormOutcome::default())
        }
    }
}

/// Ends the session of this browser.
pub(super) async fn log_out(desk: StaffDesk) -> HttpResponse {
    let StaffDesk { door, member } = desk;
    if let Err(error) = sign_out_staff(&door.product.accounts, &door.visitor.visit, &member).await {
        return door.refuse(STAFF_HOME, error.into(), FormOutcome::default());
    }
    let mut answer = flash::done(STAFF_LOG_IN);
    let _removed = answer.add_cookie(&visitor::staff_ended(&door.site));
    answer
}
