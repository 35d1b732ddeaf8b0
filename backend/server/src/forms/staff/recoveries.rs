//! What reviewers decide about owners who lost everything.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::recovery::decide::decide_recovery;
use kamiflow_kernel::{MerchantId, RecoveryId};

use super::StaffDesk;
use super::cases::{DecisionForm, refused};
use crate::forms::door::Refused;

/// Decides, and goes back to the list.
pub(super) async fn decide(
    desk: StaffDesk,
    target: web::Path<(MerchantId, RecoveryId)>,
    form: web::Form<DecisionForm>,
) -> HttpResponse {
    let (merchant, recovery) = target.into_inner();
    let decided = async {
        let (reviewer, ctx) = desk.review(merchant)?;
        let verdict = form.verdict().ok_or(Refused::Field("", "required"))?;
        let product = &desk.door.product;
        let wakes = decide_recovery(&product.accounts.store, &ctx, &reviewer, (recovery, &verdict)).await;
        product.waker.wake(merchant, &wakes.map_err(refused)?).await;
        Ok(())
    };
    match decided.await {
        Ok(()) => desk.told("/staff/recoveries", Ok(()), "staff.decided"),
        Err(refused) => {
            let typed = FormOutcome::default().typed("reason", &form.reason);
            desk.door.refuse(&format!("/staff/recoveries/{merchant}/{recovery}"), refused, typed)
        }
    }
}
