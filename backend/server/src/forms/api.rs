//! The forms about tokens of the API.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{self, ServiceConfig};
use kamiflow_app::context::FormOutcome;
use kamiflow_app::views::once::Once;
use kamiflow_domain::api::create_token::{CreateToken, CreateTokenError, create_token};
use kamiflow_domain::api::revoke_token::revoke_token;
use kamiflow_kernel::{ApiScope, ApiTokenId, ShopId, ShopScope};
use serde::Deserialize;

use super::door::{Desk, Refused};

/// The page.
const PAGE: &str = "/console/api";

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    services.route("/console/api", web::post().to(create)).route("/console/api/revoke", web::post().to(revoke));
}

/// Makes a token, and shows it once.
async fn create(desk: Desk, fields: web::Form<Vec<(String, String)>>) -> HttpResponse {
    let typed = FormOutcome::default().typed("name", field(&fields, "name"));
    let request = match read(&fields) {
        Ok(request) => request,
        Err(refused) => return desk.refuse(PAGE, refused, typed),
    };
    match create_token(&desk.product.engine, &desk.ctx, &request).await {
        Ok(made) => desk.once(Once::ApiToken(made.token)).await,
        Err(error) => desk.refuse(PAGE, not_made(error), typed),
    }
}

fn field<'f>(fields: &'f [(String, String)], name: &str) -> &'f str {
    fields.iter().find(|(of, _)| of == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

fn read(fields: &[(String, String)]) -> Result<CreateToken, Refused> {
    let ticked = |name: &'static str| fields.iter().filter(move |(of, _)| of == name).map(|(_, value)| value);
    let scopes = ticked("scope").map(|text| text.parse::<ApiScope>()).collect::<Result<Vec<_>, _>>();
    let shops = ticked("shop").map(|text| text.parse::<ShopId>()).collect::<Result<BTreeSet<_>, _>>();
    let is_test = match field(fields, "mode") {
        "test" => true,
        "live" => false,
        _ => return Err(Refused::Field("", "required")),
    };
    let shops = shops.map_err(|_no_id| Refused::Field("", "api.shops"))?;
    Ok(CreateToken {
        name: field(fields, "name").to_owned(),
        is_test,
        scopes: scopes.map_err(|_unknown| Refused::Field("", "api.scopes"))?,
        shops: if shops.is_empty() { ShopScope::All } else { ShopScope::Only(shops) },
        days: field(fields, "days").parse().map_err(|_no_number| Refused::Field("", "api.life"))?,
    })
}

fn not_made(error: CreateTokenError) -> Refused {
    match error {
        CreateTokenError::Name => Refused::Field("name", "api.name"),
        CreateTokenError::Scopes => Refused::Field("", "api.scopes"),
        CreateTokenError::Shops => Refused::Field("", "api.shops"),
        CreateTokenError::Life => Refused::Field("", "api.life"),
        CreateTokenError::TooMany => Refused::Field("", "api.too_many"),
        CreateTokenError::NoMember => Refused::NotFound,
        CreateTokenError::Denied(denied) => denied.into(),
        CreateTokenError::Store(error) => error.into(),
    }
}

/// Which token.
#[derive(Deserialize)]
struct TokenForm {
    token: ApiTokenId,
}

/// Revokes a token.
async fn revoke(desk: Desk, form: web::Form<TokenForm>) -> HttpResponse {
    let done = revoke_token(&desk.product.engine, &desk.ctx, form.token).await;
    desk.told(PAGE, done.map_err(Refused::from), "api.revoked")
}
