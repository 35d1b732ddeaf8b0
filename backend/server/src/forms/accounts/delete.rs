//! `POST /account/delete`.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::delete_account::{DeleteAccountError, delete_account};
use kamiflow_domain::ctx::Denied;
use serde::Deserialize;

use crate::forms::door::{Door, Refused};
use crate::forms::flash;
use crate::visitor;

/// The page.
const PAGE: &str = "/account/delete";

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct DeleteForm {
    login: String,
}

/// Deletes the own account and forgets this browser's session.
pub(super) async fn delete(door: Door, form: web::Form<DeleteForm>) -> HttpResponse {
    let account = match door.settled(PAGE) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match delete_account(&door.product.accounts, &door.visitor.visit, account, form.login.trim()).await {
        Ok(()) => {
            let mut answer = flash::told(&door.site, "/log-in", "accounts.deleted");
            for cookie in visitor::ended(&door.site) {
                let _removed = answer.add_cookie(&cookie);
            }
            answer
        }
        Err(error) => {
            let refused = match error {
                DeleteAccountError::Sudo(_) => Denied::SudoNeeded.into(),
                DeleteAccountError::NotConfirmed => Refused::Field("login", "account.not_confirmed"),
                DeleteAccountError::SubAccount => Refused::Field("", "account.sub"),
                // The page lists them.
                DeleteAccountError::Orphans(_) => Refused::Field("", "account.orphans"),
                DeleteAccountError::Store(error) => error.into(),
                other @ DeleteAccountError::Hash(_) => Refused::Failed(Box::new(other)),
            };
            door.refuse(PAGE, refused, FormOutcome::default())
        }
    }
}
