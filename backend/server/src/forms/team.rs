//! The forms about the team.

mod join;
mod members;
mod merchant;
mod newcomers;

use std::collections::BTreeSet;

use actix_web::web::{self, ServiceConfig};
use kamiflow_domain::teams::TeamError;
use kamiflow_kernel::{Role, ShopId, ShopScope};

use crate::forms::door::Refused;

/// The page.
const PAGE: &str = "/console/team";

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services
        .route("/console/team/invite", web::post().to(newcomers::invite))
        .route("/console/team/revoke", web::post().to(newcomers::revoke))
        .route("/console/team/sub-account", web::post().to(newcomers::sub_account))
        .route("/console/team/remove", web::post().to(members::remove))
        .route("/console/team/password", web::post().to(members::reset_password))
        .route("/console/team/factor", web::post().to(members::reset_factor))
        .route("/console/team/leave", web::post().to(members::leave))
        .route("/console/team/{user}", web::post().to(members::change))
        .route("/console/team/{user}/owner", web::post().to(members::hand_over))
        .route("/console/merchant/name", web::post().to(merchant::rename))
        .route("/console/merchant/close", web::post().to(merchant::close))
        .route("/console/merchant/reopen", web::post().to(merchant::reopen))
        .route("/account/merchants/open", web::post().to(merchant::open))
        .route("/join", web::post().to(join::join));
}

/// What a form sends, with fields that come more than once.
type Fields = web::Form<Vec<(String, String)>>;

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

/// Reads role and shops of a seat. What is not said is never taken for all shops: they must be chosen, and not beside
/// ticks, which a browser without scripts sends whatever is chosen above them.
fn seat(fields: &Fields) -> Result<(Role, ShopScope), Refused> {
    let role: Role = field(fields, "role").parse().map_err(|_unknown| Refused::Field("role", "required"))?;
    let ticked = fields.iter().filter(|(name, _)| name == "shop").map(|(_, value)| value.parse::<ShopId>());
    let shops = ticked.collect::<Result<_, _>>().map_err(|_no_id| Refused::Field("", "team.shops"))?;
    let shops: BTreeSet<ShopId> = shops;
    match (field(fields, "scope"), shops.is_empty()) {
        ("all", true) => Ok((role, ShopScope::All)),
        ("all", false) => Err(Refused::Field("", "team.scope")),
        (_, true) => Err(Refused::Field("", "team.no_shop")),
        (_, false) => Ok((role, ShopScope::Only(shops))),
    }
}

fn refused(error: TeamError) -> Refused {
    match error {
        TeamError::Denied(denied) => denied.into(),
        TeamError::NotGoverned(_) => Refused::Field("", "team.not_governed"),
        TeamError::Oneself => Refused::Field("", "team.oneself"),
        TeamError::CannotBeLimited(_) => Refused::Field("", "team.limited"),
        TeamError::Shops => Refused::Field("", "team.shops"),
        TeamError::NotFound => Refused::NotFound,
        TeamError::NeedsAddress => Refused::Field("", "team.needs_address"),
        TeamError::TooMany { .. } => Refused::Field("", "limited"),
        TeamError::Throttle(down) => Refused::Failed(Box::new(down)),
        TeamError::OnlyOwner => Refused::Field("", "team.only_owner"),
        TeamError::Store(error) => error.into(),
    }
}
