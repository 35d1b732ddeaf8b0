//! What is done with seats.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::teams::remove_member::remove_member;
use kamiflow_domain::teams::sub_account::{reset_second_factor, reset_sub_account};
use kamiflow_kernel::UserId;
use serde::Deserialize;

use super::newcomers::of_sub_account;
use super::{PAGE, refused};
use crate::forms::door::Desk;

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
