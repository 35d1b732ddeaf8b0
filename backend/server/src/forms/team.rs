//! The forms about the team.

mod join;
mod members;
mod newcomers;

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
        .route("/join", web::post().to(join::join));
}

/// What a form sends, with fields that come more than once.
type Fields = web::Form<Vec<(String, String)>>;

fn field<'f>(fields: &'f Fields, name: &str) -> &'f str {
    fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

/// Reads role and shops of a seat; shops that are no ids are refused by the use case as unknown.
fn seat(fields: &Fields) -> Result<(Role, ShopScope), Refused> {
    let role: Role = field(fields, "role").parse().map_err(|_unknown| Refused::Field("role", "required"))?;
    let ticked = fields.iter().filter(|(name, _)| name == "shop").map(|(_, value)| value.parse::<ShopId>());
    let shops = ticked.collect::<Result<_, _>>().map_err(|_no_id| Refused::Field("", "team.shops"))?;
    let scope = ShopScope::Only(shops);
    Ok((role, if scope == ShopScope::Only(Default::default()) { ShopScope::All } else { scope }))
}

fn refused(error: TeamError) -> Refused {
    match error {
        TeamError::Denied(denied) => denied.into(),
        TeamError::NotGoverned(_) => Refused::Field("", "team.not_governed"),
        TeamError::Oneself => Refused::Field("", "team.oneself"),
        TeamError::CannotBeLimited(_) => Refused::Field("", "team.limited"),
        TeamError::Shops => Refused::Field("", "team.shops"),
        TeamError::NotFound => Refused::NotFound,
        TeamError::OnlyOwner => Refused::Field("", "team.only_owner"),
        TeamError::Store(error) => error.into(),
    }
}
