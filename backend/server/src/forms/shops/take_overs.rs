//! `POST /console/take-overs/{request}`: answering who wants a mall that this merchant has connected.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::connection_take_over::{Answer, answer_take_over};
use kamiflow_kernel::TakeOverId;
use serde::Deserialize;

use crate::forms::door::{Desk, Refused};
use crate::forms::flash;

const PAGE: &str = "/console/shops";

/// What the page sends: `release` or `refuse`.
#[derive(Deserialize)]
pub(super) struct AnswerForm {
    answer: String,
}

/// Lets a mall go, which asks for a fresh proof, or keeps it.
pub(super) async fn answer(desk: Desk, request: web::Path<TakeOverId>, form: web::Form<AnswerForm>) -> HttpResponse {
    let (answer, notice) = match form.answer.as_str() {
        "release" => (Answer::Release, "take_over.released"),
        "refuse" => (Answer::Refuse, "take_over.refused"),
        _ => return desk.refuse(PAGE, Refused::Field("", "required"), FormOutcome::default()),
    };
    match answer_take_over(&desk.product.engine, &desk.ctx, *request, answer).await {
        Ok(()) => flash::told(&desk.site, PAGE, notice),
        Err(error) => desk.refuse(PAGE, error.into(), FormOutcome::default()),
    }
}
