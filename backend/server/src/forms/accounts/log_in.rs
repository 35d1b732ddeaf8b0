//! `POST /log-in` with its second step, and `POST /log-out`.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::NewSession;
use kamiflow_domain::accounts::log_in::{LogIn, LogInError, LoggedIn, log_in as use_case};
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::accounts::second_step::{
    SecondStepAnswer, SecondStepError, second_step as use_case_of_second_step,
};
use kamiflow_domain::accounts::sessions::sign_out;
use kamiflow_kernel::SecretText;
use serde::Deserialize;
use tracing::warn;

use super::challenge::Challenge;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;
use crate::forms::preferences::local_path;
use crate::visitor;

/// The cookie that proves the first step, until the second is made.
pub(super) const CHALLENGE: Challenge = Challenge("kf_challenge");

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct LogInForm {
    login: String,
    password: SecretText,
    next: Option<String>,
}

/// Logs somebody in, or asks for the second factor.
pub(super) async fn log_in(door: Door, form: web::Form<LogInForm>) -> HttpResponse {
    let LogInForm { login, password, next } = form.into_inner();
    let next = next.unwrap_or_default();
    let request =
        LogIn { login: login.trim().to_owned(), password, device: visitor::device(&door.request, &door.site) };
    match use_case(&door.product.accounts, &door.visitor.visit, request).await {
        Ok(LoggedIn::Done(session)) => begun(&door, &session, &next).await,
        Ok(LoggedIn::SecondStep(step)) => {
            let outcome = FormOutcome::default().typed("next", &next);
            let mut answer = flash::again(&door.site, second_step_path(step.passkey), outcome);
            let _kept = answer.add_cookie(&CHALLENGE.cookie(&door.site, &step.challenge));
            answer
        }
        Err(error) => {
            let refused = match error {
                LogInError::Wrong => Refused::Field("", "log_in.refused"),
                LogInError::TooMany { .. } => Refused::Field("", "limited"),
                other => Refused::Failed(Box::new(other)),
            };
            door.refuse("/log-in", refused, FormOutcome::default().typed("login", &login).typed("next", &next))
        }
    }
}

/// What the page of the second step sends.
#[derive(Deserialize)]
pub(super) struct SecondStepForm {
    code: SecretText,
    next: Option<String>,
    passkey: Option<String>,
}

/// Where the second step is made; whoever has a passkey is offered to use it.
const fn second_step_path(has_passkey: bool) -> &'static str {
    if has_passkey { "/log-in/second-step?passkey=1" } else { "/log-in/second-step" }
}

/// Finishes a log-in with a code of the generator, or a recovery code: they look different.
pub(super) async fn second_step(door: Door, form: web::Form<SecondStepForm>) -> HttpResponse {
    let SecondStepForm { code, next, passkey } = form.into_inner();
    let page = second_step_path(passkey.is_some());
    finish(&door, proof(code), &next.unwrap_or_default(), (page, Refused::Field("code", "code.refused"))).await
}

/// Finishes a log-in with a proof; `page` says what is wrong with it.
pub(super) async fn finish(door: &Door, proof: Proof, next: &str, (page, wrong): (&str, Refused)) -> HttpResponse {
    let typed = FormOutcome::default().typed("next", next);
    let Some(challenge) = CHALLENGE.of(door) else {
        return door.refuse("/log-in", Refused::Field("", "log_in.too_late"), typed);
    };
    let answer = SecondStepAnswer { challenge, proof, device: visitor::device(&door.request, &door.site) };
    match use_case_of_second_step(&door.product.accounts, &door.visitor.visit, answer).await {
        Ok(session) => {
            let mut answer = begun(door, &session, next).await;
            let _removed = answer.add_cookie(&CHALLENGE.removal(&door.site));
            answer
        }
        Err(SecondStepError::ChallengeRefused) => door.refuse("/log-in", Refused::Field("", "log_in.too_late"), typed),
        Err(SecondStepError::Wrong) => door.refuse(page, wrong, typed),
        Err(SecondStepError::TooMany { .. }) => door.refuse(page, Refused::Field("", "limited"), typed),
        Err(other) => door.refuse(page, Refused::Failed(Box::new(other)), typed),
    }
}

/// Returns what a code proves: six digits are a generator's.
pub(in crate::forms) fn proof(code: SecretText) -> Proof {
    let digits: String = code.expose().chars().filter(|c| !c.is_whitespace()).collect();
    if digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        Proof::Totp(digits.into())
    } else {
        Proof::Recovery(code)
    }
}

async fn begun(door: &Door, session: &NewSession, next: &str) -> HttpResponse {
    // This browser forgets the session it had: left alone it would go on for a month where nobody sees it.
    if let Some(before) = &door.visitor.account
        && let Err(error) = sign_out(&door.product.accounts, &door.visitor.visit, before).await
    {
        warn!(%error, "The session before a log-in could not be ended");
    }
    let path = match local_path(Some(next)) {
        _ if session.must_change_password => "/account/password",
        "/" => "/console",
        path => path,
    };
    let mut answer = flash::done(path);
    for cookie in visitor::begun(&door.site, session, door.visitor.visit.now) {
        let _kept = answer.add_cookie(&cookie);
    }
    answer
}

/// Ends the session of this browser.
pub(super) async fn log_out(door: Door) -> HttpResponse {
    if let Some(account) = &door.visitor.account
        && let Err(error) = sign_out(&door.product.accounts, &door.visitor.visit, account).await
    {
        return door.refuse("/console", Refused::from(error), FormOutcome::default());
    }
    let mut answer = flash::done("/");
    for cookie in visitor::ended(&door.site) {
        let _removed = answer.add_cookie(&cookie);
    }
    answer
}
