//! `/console/pauses`: what is paused, and pausing.

use kamiflow_app::views::pauses::{PauseTarget, Pauses};
use kamiflow_domain::pause::{PauseScope, may, scope_of_target};
use kamiflow_domain::show_pauses::{Which, name_of_target, show_pauses};

use super::{Asked, Loaded, Stop, shown};

/// Lists all pauses that the member sees, with the form for the merchant as a whole.
pub(super) async fn list(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let lines = show_pauses(&asked.product.engine, asked.ctx, Which::All, Some(asked.gateway())).await?;
    let form = may(asked.ctx, PauseScope::Merchant).then(|| PauseTarget {
        scope: PauseScope::Merchant,
        target: asked.ctx.merchant.to_string(),
        name: String::new(),
    });
    Ok(shown(Pauses { lines, form, is_of_one: false }))
}

/// Shows the pauses of one thing, with its form.
pub(super) async fn one(asked: &Asked<'_>, target: &str) -> Result<Loaded, Stop> {
    let scope = scope_of_target(asked.ctx, target).ok_or(Stop::NotFound)?;
    let engine = &asked.product.engine;
    let name = name_of_target(engine, asked.ctx, scope).await?.ok_or(Stop::NotFound)?;
    // The merchant as a whole is not of one mode; everything else is.
    let gateway = (scope == PauseScope::Merchant).then(|| asked.gateway());
    let lines = show_pauses(engine, asked.ctx, Which::Of(scope), gateway).await?;
    let form = may(asked.ctx, scope).then(|| PauseTarget { scope, target: target.to_owned(), name });
    Ok(shown(Pauses { lines, form, is_of_one: true }))
}
