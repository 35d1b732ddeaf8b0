//! What is done with seats.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::teams::change_member::{ChangeMember, change_member};
use kamiflow_domain::teams::leave::leave as use_case_of_leaving;
use kamiflow_domain::teams::remove_member::remove_member;
use kamiflow_domain::teams::sub_account::{reset_second_factor, reset_sub_account};
use kamiflow_domain::teams::transfer_ownership::transfer_ownership;
use kamiflow_kernel::UserId;
use serde::Deserialize;

use super::newcomers::of_sub_account;
use super::{Fields, PAGE, refused, seat};
use crate::forms::door::Desk;
use crate::forms::flash;

/// Whose seat.
#[derive(Deserialize)]
pub(super) struct MemberForm {
    user: UserId,
}

/// Takes somebody out of the team.
pub(super) async fn remove(desk: Desk, form: web::Form<MemberForm>) -> HttpResponse {
    let done = remove_member(&desk.product.accounts, &desk.ctx, form.user).await;
    desk.told(PAGE, done.map_err(refused), "team.removed")
}

/// Gives a sub-account a new temporary password.
pub(super) async fn reset_password(desk: Desk, form: web::Form<MemberForm>) -> HttpResponse {
    match reset_sub_account(&desk.product.accounts, &desk.ctx, form.user).await {
        Ok(made) => desk.once(Once::TemporaryPassword { login: made.login.to_string(), password: made.password }).await,
        Err(error) => desk.refuse(PAGE, of_sub_account(error), FormOutcome::default()),
    }
}

/// Removes the second factor of a member who lost it.
pub(super) async fn reset_factor(desk: Desk, form: web::Form<MemberForm>) -> HttpResponse {
    let done = reset_second_factor(&desk.product.accounts, &desk.ctx, form.user).await;
    desk.told(PAGE, done.map_err(of_sub_account), "team.factor_reset")
}

/// Changes what somebody is and sees.
pub(super) async fn change(desk: Desk, user: web::Path<UserId>, fields: Fields) -> HttpResponse {
    let page = page_of(*user);
    let (role, shops) = match seat(&fields) {
        Ok(seat) => seat,
        Err(refused) => return desk.refuse(&page, refused, FormOutcome::default()),
    };
    let request = ChangeMember { user: *user, role, shops };
    match change_member(&desk.product.accounts, &desk.ctx, &request).await {
        Ok(()) => flash::told(&desk.site, PAGE, "team.seat_changed"),
        Err(error) => desk.refuse(&page, refused(error), FormOutcome::default()),
    }
}

/// Makes somebody owner in the place of who asks.
pub(super) async fn hand_over(desk: Desk, user: web::Path<UserId>) -> HttpResponse {
    match transfer_ownership(&desk.product.accounts, &desk.ctx, *user).await {
        Ok(()) => flash::told(&desk.site, PAGE, "team.handed_over"),
        Err(error) => desk.refuse(&page_of(*user), refused(error), FormOutcome::default()),
    }
}

/// Gives the own seat up; the merchants that are left are listed next.
pub(super) async fn leave(desk: Desk) -> HttpResponse {
    match use_case_of_leaving(&desk.product.accounts, &desk.ctx).await {
        Ok(()) => flash::done("/account/merchants"),
        Err(error) => desk.refuse("/console/team/leave", refused(error), FormOutcome::default()),
    }
}

fn page_of(user: UserId) -> String {
    format!("{PAGE}/{user}")
}
