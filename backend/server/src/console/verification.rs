//! `/console/verification`.

use kamiflow_app::views::verification::{Kind, Verification};
use kamiflow_domain::verification::show_verification;

use super::{Asked, Loaded, Stop, shown};

/// Shows where the merchant's verification is.
pub(super) async fn load(asked: &Asked<'_>) -> Result<Loaded, Stop> {
    let view = show_verification(&asked.product.engine, asked.ctx).await?;
    let kind = if asked.query("kind") == Some("company") { Kind::Company } else { Kind::Person };
    Ok(shown(Verification { view, kind }))
}
