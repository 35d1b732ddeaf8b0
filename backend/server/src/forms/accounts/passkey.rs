//! The forms around passkeys: each act has one that asks for a question, whose answer is the page with it, and one that
//! takes what the browser's authenticator said.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::routes::AnswerPage;
use kamiflow_app::views::once::Once;
use kamiflow_app::views::passkey::{Passkey, PasskeyAct};
use kamiflow_domain::accounts::passkey::ask::{ask_in_log_in, ask_in_session};
use kamiflow_domain::accounts::passkey::enroll::{begin_passkey, finish_passkey};
use kamiflow_domain::accounts::passkey::{PasskeyAnswer, PasskeyError, Question};
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::ctx::Denied;
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::log_in::{CHALLENGE, finish};
use super::sudo::prove;
use crate::forms::door::{Desk, Door, Refused};
use crate::forms::flash;
use crate::forms::preferences::local_path;
use crate::web::sudo_path;

/// The page of one's own factors.
const SECURITY: &str = "/account/security";
/// The page of the second step, for somebody with a passkey.
const SECOND_STEP: &str = "/log-in/second-step?passkey=1";

/// What a form sends that asks for a question.
#[derive(Deserialize)]
pub(super) struct AskForm {
    next: Option<String>,
}

/// What the page with the question sends.
#[derive(Deserialize)]
pub(super) struct AnswerForm {
    token: SecretText,
    credential: String,
    name: Option<String>,
    next: Option<String>,
}

impl AnswerForm {
    fn into_parts(self) -> (PasskeyAnswer, String) {
        (PasskeyAnswer { token: self.token, credential: self.credential }, self.next.unwrap_or_default())
    }
}

/// Asks for a new passkey.
pub(super) async fn begin(desk: Desk) -> HttpResponse {
    match begin_passkey(&desk.product.accounts, &desk.visitor.visit, &desk.account).await {
        Ok(question) => {
            let page = shown(PasskeyAct::Add, question, String::new());
            desk.show(AnswerPage::Passkey, |_shops| Some(page)).await
        }
        Err(error) => desk.refuse(SECURITY, refused(error), FormOutcome::default()),
    }
}

/// Adds it; shows recovery codes the first time.
pub(super) async fn add(desk: Desk, form: web::Form<AnswerForm>) -> HttpResponse {
    let form = form.into_inner();
    let name = form.name.clone().unwrap_or_default();
    let (answer, _next) = form.into_parts();
    match finish_passkey(&desk.product.accounts, &desk.visitor.visit, &desk.account, (&answer, &name)).await {
        Ok(codes) if codes.is_empty() => desk.told(SECURITY, Ok(()), "accounts.passkey_added"),
        Ok(codes) => desk.once(Once::RecoveryCodes(codes)).await,
        Err(error) => desk.refuse(SECURITY, refused(error), FormOutcome::default()),
    }
}

/// Asks for a passkey in the second step of a log-in.
pub(super) async fn ask_in_second_step(door: Door, form: web::Form<AskForm>) -> HttpResponse {
    let next = form.into_inner().next.unwrap_or_default();
    let typed = FormOutcome::default().typed("next", &next);
    let Some(challenge) = CHALLENGE.of(&door) else {
        return door.refuse("/log-in", Refused::Field("", "log_in.too_late"), typed);
    };
    match ask_in_log_in(&door.product.accounts, &door.visitor.visit, &challenge).await {
        Ok(question) => door.show(AnswerPage::Passkey, shown(PasskeyAct::LogIn, question, next)),
        Err(PasskeyError::ChallengeRefused) => door.refuse("/log-in", Refused::Field("", "log_in.too_late"), typed),
        Err(error) => door.refuse(SECOND_STEP, refused(error), typed),
    }
}

/// Finishes a log-in with a passkey.
pub(super) async fn second_step(door: Door, form: web::Form<AnswerForm>) -> HttpResponse {
    let (answer, next) = form.into_inner().into_parts();
    finish(&door, Proof::Passkey(answer), &next, (SECOND_STEP, Refused::Field("", "passkey.refused"))).await
}

/// Asks for a passkey as a fresh proof.
pub(super) async fn ask_for_sudo(door: Door, form: web::Form<AskForm>) -> HttpResponse {
    let next = form.into_inner().next;
    let next = local_path(next.as_deref());
    let account = match door.settled(next) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match ask_in_session(&door.product.accounts, &door.visitor.visit, account).await {
        Ok(question) => door.show(AnswerPage::Passkey, shown(PasskeyAct::Prove, question, next.to_owned())),
        Err(error) => door.refuse(&sudo_path(next), refused(error), FormOutcome::default()),
    }
}

/// Takes a passkey as a fresh proof.
pub(super) async fn sudo(door: Door, form: web::Form<AnswerForm>) -> HttpResponse {
    let (answer, next) = form.into_inner().into_parts();
    prove(&door, &Proof::Passkey(answer), &next, Refused::Field("", "passkey.refused")).await
}

fn shown(act: PasskeyAct, question: Question, next: String) -> Passkey {
    Passkey { act, options: question.options, token: question.token, next }
}

fn refused(error: PasskeyError) -> Refused {
    match error {
        PasskeyError::Sudo(_) => Denied::SudoNeeded.into(),
        PasskeyError::NotHere => Refused::Field("", "passkey.not_here"),
        PasskeyError::NoPasskey => Refused::Field("", "passkey.none"),
        PasskeyError::Enough => Refused::Field("", "passkey.enough"),
        PasskeyError::Name => Refused::Field("", "passkey.name"),
        PasskeyError::Refused => Refused::Field("", "passkey.refused"),
        PasskeyError::ChallengeRefused => Refused::Field("", "log_in.too_late"),
        PasskeyError::Taken => Refused::Field("", "passkey.taken"),
        PasskeyError::TooMany { .. } => Refused::Field("", "limited"),
        PasskeyError::Store(error) => error.into(),
        other @ PasskeyError::Throttle(_) => Refused::Failed(Box::new(other)),
    }
}
