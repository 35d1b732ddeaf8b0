//! `POST /account/sudo`: proving oneself anew, for ten minutes.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::proof::Proof;
use kamiflow_domain::accounts::sudo::{SudoError, sudo as use_case};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use super::log_in::proof;
use crate::forms::door::{Door, Refused};
use crate::forms::flash;
use crate::forms::preferences::local_path;
use crate::web::sudo_path;

/// What the page sends: who has a second factor is asked for it, everybody else for the password.
#[derive(Deserialize)]
pub(super) struct SudoForm {
    code: Option<SecretText>,
    password: Option<SecretText>,
    next: Option<String>,
}

/// Takes the proof and goes back to where it was asked for; the act itself is pressed once more.
pub(super) async fn sudo(door: Door, form: web::Form<SudoForm>) -> HttpResponse {
    let SudoForm { code, password, next } = form.into_inner();
    let next = next.unwrap_or_default();
    let (proof, wrong) = match (code, password) {
        (Some(code), _) => (proof(code), Refused::Field("code", "code.refused")),
        (None, Some(password)) => (Proof::Password(password), Refused::Field("password", "password.wrong")),
        (None, None) => {
            let page = sudo_path(local_path(Some(&next)));
            return door.refuse(&page, Refused::Field("", "required"), FormOutcome::default());
        }
    };
    prove(&door, &proof, &next, wrong).await
}

/// Takes a proof; `wrong` is what is said of one that proves nothing.
pub(super) async fn prove(door: &Door, proof: &Proof, next: &str, wrong: Refused) -> HttpResponse {
    let next = local_path(Some(next));
    let account = match door.settled(next) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match use_case(&door.product.accounts, &door.visitor.visit, account, proof).await {
        Ok(_until) => flash::told(&door.site, next, "accounts.proven"),
        Err(error) => {
            let refused = match error {
                SudoError::Wrong => wrong,
                SudoError::TooMany { .. } => Refused::Field("", "limited"),
                other => Refused::Failed(Box::new(other)),
            };
            door.refuse(&sudo_path(next), refused, FormOutcome::default())
        }
    }
}
