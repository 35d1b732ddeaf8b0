//! `POST /join`: accepting an invitation.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::teams::accept_invitation::{AcceptInvitationError, accept_invitation};
use kamiflow_kernel::SecretText;
use serde::Deserialize;

use crate::forms::door::{Door, Refused};
use crate::forms::flash;

/// What the page sends.
#[derive(Deserialize)]
pub(super) struct JoinForm {
    token: SecretText,
}

/// Takes the seat, and goes on in the new team.
pub(super) async fn join(door: Door, form: web::Form<JoinForm>) -> HttpResponse {
    let page = format!("/join?token={}", form.token.expose());
    let account = match door.settled(&page) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match accept_invitation(&door.product.accounts, &door.visitor.visit, account, &form.token).await {
        Ok(_merchant) => flash::told(&door.site, "/console", "team.joined"),
        Err(error) => {
            let refused = match error {
                AcceptInvitationError::Refused => Refused::Field("", "link.refused"),
                AcceptInvitationError::OtherAddress => Refused::Field("", "join.other_address"),
                AcceptInvitationError::NeedsAddress => Refused::Field("", "team.needs_address"),
                AcceptInvitationError::MemberAlready => Refused::Field("", "join.member"),
                AcceptInvitationError::Store(error) => error.into(),
            };
            door.refuse(&page, refused, FormOutcome::default())
        }
    }
}
