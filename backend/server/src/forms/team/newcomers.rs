//! Invitations and sub-accounts.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::teams::invite::{Invite, invite as use_case, revoke_invitation};
use kamiflow_domain::teams::sub_account::{CreateSubAccount, SubAccountError, create_sub_account};
use kamiflow_kernel::{EmailAddress, InvitationId};
use serde::Deserialize;

use super::{Fields, PAGE, field, refused, seat};
use crate::forms::door::{Desk, Refused};
use crate::forms::flash;

/// Invites by mail, or shows a link.
pub(super) async fn invite(desk: Desk, fields: Fields) -> HttpResponse {
    let typed = FormOutcome::default().typed("email", field(&fields, "email"));
    let email: Option<EmailAddress> = match field(&fields, "email") {
        "" => None,
        text => match text.parse() {
            Ok(email) => Some(email),
            Err(_) => return desk.refuse(PAGE, Refused::Field("email", "email.invalid"), typed),
        },
    };
    let (role, shops) = match seat(&fields) {
        Ok(seat) => seat,
        Err(refused) => return desk.refuse(PAGE, refused, typed),
    };
    let request = Invite { email, locale: desk.account.locale, role, shops, inviter: desk.account.name.clone() };
    match use_case(&desk.product.accounts, &desk.ctx, &request).await {
        Ok(invited) => match invited.link {
            Some(link) => desk.once(Once::InvitationLink(link)).await,
            None => flash::told(&desk.site, PAGE, "team.invited"),
        },
        Err(error) => desk.refuse(PAGE, refused(error), typed),
    }
}

/// Which invitation.
#[derive(Deserialize)]
pub(super) struct InvitationForm {
    invitation: InvitationId,
}

/// Takes an invitation back.
pub(super) async fn revoke(desk: Desk, form: web::Form<InvitationForm>) -> HttpResponse {
    let done = revoke_invitation(&desk.product.accounts, &desk.ctx, form.invitation).await;
    desk.told(PAGE, done.map_err(refused), "team.revoked")
}

/// Makes an account for somebody without e-mail, and shows its password once.
pub(super) async fn sub_account(desk: Desk, fields: Fields) -> HttpResponse {
    let (name, display_name) = (field(&fields, "name"), field(&fields, "display_name"));
    let typed = FormOutcome::default().typed("name", name).typed("display_name", display_name);
    let (role, shops) = match seat(&fields) {
        Ok(seat) => seat,
        Err(refused) => return desk.refuse(PAGE, refused, typed),
    };
    let request = CreateSubAccount {
        name: name.to_owned(),
        display_name: display_name.to_owned(),
        role,
        shops,
        locale: desk.account.locale,
    };
    match create_sub_account(&desk.product.accounts, &desk.ctx, &request).await {
        Ok(made) => desk.once(Once::TemporaryPassword { login: made.login.to_string(), password: made.password }).await,
        Err(error) => desk.refuse(PAGE, of_sub_account(error), typed),
    }
}

/// Says what is wrong about a sub-account.
pub(super) fn of_sub_account(error: SubAccountError) -> Refused {
    match error {
        SubAccountError::Name(_) => Refused::Field("name", "team.name"),
        SubAccountError::Taken(_) => Refused::Field("name", "team.taken"),
        SubAccountError::Owner => Refused::Field("", "team.not_governed"),
        SubAccountError::NotOurs => Refused::Field("", "team.not_ours"),
        SubAccountError::Team(error) => refused(error),
        hash @ SubAccountError::Hash(_) => Refused::Failed(Box::new(hash)),
    }
}
