//! `/console/rules`.

use kamiflow_app::views::rules::Rules;
use kamiflow_domain::redemption_presets::list_rules;

use super::{Asked, Loaded, Stop, shown};

/// Reads the merchant's rules.
pub(super) async fn load(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    Ok(shown(Rules { rules: list_rules(&asked.product.engine, asked.ctx).await? }))
}
