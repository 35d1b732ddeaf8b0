//! Opening, renaming, closing and reopening merchants.

use actix_web::{HttpResponse, web};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::teams::close_merchant::{close_merchant, reopen_merchant};
use kamiflow_domain::teams::open_merchant::{OpenMerchantError, open_merchant};
use kamiflow_domain::teams::rename_merchant::{RenameError, rename_merchant};
use serde::Deserialize;

use super::refused;
use crate::forms::door::{Desk, Door, Refused};
use crate::forms::flash;

const PAGE: &str = "/console/merchant";
const MERCHANTS: &str = "/account/merchants";

/// Begins the days of grace.
pub(super) async fn close(desk: Desk) -> HttpResponse {
    let done = close_merchant(&desk.product.accounts, &desk.ctx).await;
    desk.told(PAGE, done.map(|_closes_at| ()).map_err(refused), "merchant.closing")
}

/// Ends them.
pub(super) async fn reopen(desk: Desk) -> HttpResponse {
    let done = reopen_merchant(&desk.product.accounts, &desk.ctx).await;
    desk.told(PAGE, done.map_err(refused), "merchant.reopened")
}

/// What the form with the merchant's name sends.
#[derive(Deserialize)]
pub(super) struct RenameForm {
    merchant: String,
}

/// Gives the merchant another name.
pub(super) async fn rename(desk: Desk, form: web::Form<RenameForm>) -> HttpResponse {
    match rename_merchant(&desk.product.accounts, &desk.ctx, &form.merchant).await {
        Ok(()) => desk.told(PAGE, Ok(()), "merchant.renamed"),
        Err(error) => {
            let refused = match error {
                RenameError::Name => Refused::Field("merchant", "merchant.invalid"),
                RenameError::Team(error) => refused(error),
            };
            desk.refuse(PAGE, refused, FormOutcome::default().typed("merchant", &form.merchant))
        }
    }
}

/// What the form of a new merchant sends.
#[derive(Deserialize)]
pub(super) struct OpenForm {
    merchant: String,
}

/// Opens another merchant, and goes on in its console. Who has no seat anywhere may do so too.
pub(super) async fn open(door: Door, form: web::Form<OpenForm>) -> HttpResponse {
    let account = match door.settled(MERCHANTS) {
        Ok(account) => account,
        Err(elsewhere) => return flash::done(&elsewhere),
    };
    match open_merchant(&door.product.accounts, &door.visitor.visit, account, &form.merchant).await {
        Ok(_merchant) => flash::told(&door.site, "/console", "merchant.opened"),
        Err(error) => {
            let refused = match error {
                OpenMerchantError::Name => Refused::Field("merchant", "merchant.invalid"),
                OpenMerchantError::NeedsAddress => Refused::Field("", "team.needs_address"),
                OpenMerchantError::Enough => Refused::Field("", "merchant.enough"),
                OpenMerchantError::TooMany { .. } => Refused::Field("", "limited"),
                OpenMerchantError::Store(error) => error.into(),
                down @ OpenMerchantError::Throttle(_) => Refused::Failed(Box::new(down)),
            };
            door.refuse(MERCHANTS, refused, FormOutcome::default().typed("merchant", &form.merchant))
        }
    }
}
