//! `POST /console/rules`: choosing a ready-made redemption rule.

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::redemption_presets::choose_preset;
use kamiflow_domain::redemption_rules::Preset;
use kamiflow_domain::save_rules::SaveRulesError;
use serde::Deserialize;

use super::door::{Desk, Refused};
use super::flash;

const PAGE: &str = "/console/rules";

/// Adds the route.
pub(super) fn configure(services: &mut ServiceConfig) {
    services.route(PAGE, web::post().to(choose));
}

/// What the page sends: a ready-made rule, or `none`.
#[derive(Deserialize)]
struct RuleForm {
    rule: String,
}

async fn choose(desk: Desk, form: web::Form<RuleForm>) -> HttpResponse {
    let chosen = Preset::ALL.iter().copied().find(|preset| preset.as_str() == form.rule);
    if chosen.is_none() && form.rule != "none" {
        return desk.refuse(PAGE, Refused::Field("rule", "required"), FormOutcome::default());
    }
    match choose_preset(&desk.product.engine, &desk.ctx, chosen).await {
        Ok(wakes) => {
            desk.product.waker.wake(desk.ctx.merchant, &wakes).await;
            flash::told(&desk.site, PAGE, "rules.saved")
        }
        Err(error) => {
            let refused = match error {
                SaveRulesError::Denied(denied) => denied.into(),
                SaveRulesError::Store(error) => error.into(),
                rules @ SaveRulesError::Rules(_) => Refused::Failed(Box::new(rules)),
            };
            desk.refuse(PAGE, refused, FormOutcome::default())
        }
    }
}
