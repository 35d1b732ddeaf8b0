//! What reviewers do with a case: take it, look at its pictures, decide.

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::verification::review::{ReviewError, Verdict, claim_case, decide_case, look_at_picture};
use kamiflow_kernel::{MerchantId, VerificationId};
use serde::Deserialize;

use super::StaffDesk;
use crate::console::STAFF_HOME;
use crate::forms::door::Refused;

/// Which case.
type Target = web::Path<(MerchantId, VerificationId)>;

/// Takes a case.
pub(super) async fn claim(desk: StaffDesk, target: Target) -> HttpResponse {
    let (merchant, case) = target.into_inner();
    let page = format!("/staff/verifications/{merchant}/{case}");
    let taken = async {
        let (reviewer, ctx) = desk.review(merchant)?;
        claim_case(&desk.door.product.engine, &ctx, &reviewer, case).await.map(drop).map_err(refused)
    };
    let taken = taken.await;
    desk.told(&page, taken, "staff.claimed")
}

/// What the form of a decision sends.
#[derive(Deserialize)]
pub(super) struct DecisionForm {
    decision: String,
    #[serde(default)]
    preset: String,
    #[serde(default)]
    pub(super) reason: String,
}

impl DecisionForm {
    /// A rejection says what was chosen, then what was typed.
    pub(super) fn verdict(&self) -> Option<Verdict> {
        match self.decision.as_str() {
            "approve" => Some(Verdict::Approve),
            "reject" => {
                let parts = [self.preset.trim(), self.reason.trim()];
                let reason = parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ");
                Some(Verdict::Reject { reason })
            }
            _ => None,
        }
    }
}

/// Decides, and goes back to the queue.
pub(super) async fn decide(desk: StaffDesk, target: Target, form: web::Form<DecisionForm>) -> HttpResponse {
    let (merchant, case) = target.into_inner();
    let decided = async {
        let (reviewer, ctx) = desk.review(merchant)?;
        let verdict = form.verdict().ok_or(Refused::Field("", "required"))?;
        let product = &desk.door.product;
        let wakes = decide_case(&product.engine, &ctx, &reviewer, (case, &verdict)).await.map_err(refused)?;
        product.waker.wake(merchant, &wakes).await;
        Ok(())
    };
    match decided.await {
        Ok(()) => desk.told(STAFF_HOME, Ok(()), "staff.decided"),
        Err(refused) => {
            let typed = FormOutcome::default().typed("reason", &form.reason);
            desk.door.refuse(&format!("/staff/verifications/{merchant}/{case}"), refused, typed)
        }
    }
}

/// Gives a picture out, after it was written down who looks. Nobody keeps it.
pub(super) async fn picture(desk: StaffDesk, target: web::Path<(MerchantId, VerificationId, i16)>) -> HttpResponse {
    let (merchant, case, position) = target.into_inner();
    let seen = async {
        let (reviewer, ctx) = desk.review(merchant)?;
        look_at_picture(&desk.door.product.engine, &ctx, &reviewer, (case, position)).await.map_err(refused)
    };
    match seen.await {
        Ok(picture) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, picture.media_type))
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .body(picture.file.expose().to_vec()),
        // A picture has no page of its own to say more on.
        Err(Refused::Field(..)) => desk.door.refuse(STAFF_HOME, Refused::NotFound, FormOutcome::default()),
        Err(refused) => desk.door.refuse(STAFF_HOME, refused, FormOutcome::default()),
    }
}

pub(super) fn refused(error: ReviewError) -> Refused {
    match error {
        ReviewError::CaseUnknown | ReviewError::PictureUnknown => Refused::NotFound,
        ReviewError::ClaimedBy { .. } => Refused::Field("", "staff.claimed_by_another"),
        ReviewError::NotClaimed => Refused::Field("", "staff.not_claimed"),
        ReviewError::KnowsIdentity => Refused::Field("", "staff.knows_identity"),
        ReviewError::Decided => Refused::Field("", "staff.decided_already"),
        ReviewError::Reason => Refused::Field("reason", "staff.reason"),
        ReviewError::Store(error) => error.into(),
    }
}
