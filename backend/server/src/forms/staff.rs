//! The forms of `/staff`: enrolling, logging in and out, one's own account, and deciding about identities.

mod account;
mod cases;
mod enroll;
mod log_in;
mod recoveries;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse};
use kamiflow_app::context::FormOutcome;
use kamiflow_domain::accounts::staff::StaffMember;
use kamiflow_domain::ctx::{Ctx, Denied};
use kamiflow_domain::verification::review::Reviewer;
use kamiflow_kernel::{MerchantId, Permission};

use super::door::{Door, Refused};
use super::flash;
use crate::console::STAFF_LOG_IN;

/// Adds the routes.
pub(super) fn configure(services: &mut ServiceConfig) {
    const CASE: &str = "/staff/verifications/{merchant}/{case}";
    services
        .route("/staff/enroll", web::post().to(enroll::begin))
        .route("/staff/enroll/confirm", web::post().to(enroll::finish))
        .route("/staff/log-in", web::post().to(log_in::log_in))
        .route("/staff/log-in/second-step", web::post().to(log_in::second_step))
        .route("/staff/account/password", web::post().to(account::password))
        .route("/staff/account/session", web::post().to(account::end))
        .route("/staff/preferences", web::post().to(account::language))
        .route("/staff/log-out", web::post().to(log_in::log_out))
        .route("/staff/recoveries/{merchant}/{recovery}/decision", web::post().to(recoveries::decide))
        .route(&format!("{CASE}/claim"), web::post().to(cases::claim))
        .route(&format!("{CASE}/decision"), web::post().to(cases::decide))
        .route(&format!("{CASE}/pictures/{{position}}"), web::get().to(cases::picture));
}

/// What a form works with that only staff may send.
pub(super) struct StaffDesk {
    /// Settings, use cases, and the request.
    pub(super) door: Door,
    /// Who asks.
    pub(super) member: StaffMember,
}

impl StaffDesk {
    /// Returns who reviews, and the circumstances of what is done about a merchant.
    pub(super) fn review(&self, merchant: MerchantId) -> Result<(Reviewer, Ctx), Refused> {
        // The page of the error is the same; which permission is missing is for merchants.
        let reviewer = self.member.reviewer().ok_or(Denied::Permission(Permission::Verify))?;
        Ok((reviewer, self.member.ctx(&self.door.visitor.visit, merchant)))
    }

    /// Answers what a use case said.
    pub(super) fn told(&self, page: &str, done: Result<(), Refused>, notice: &str) -> HttpResponse {
        match done {
            Ok(()) => flash::told(&self.door.site, page, notice),
            Err(refused) => self.door.refuse(page, refused, FormOutcome::default()),
        }
    }
}

impl FromRequest for StaffDesk {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let door = match Door::from_request(request, payload).into_inner() {
            Ok(door) => door,
            Err(error) => return ready(Err(error)),
        };
        let Some(member) = door.visitor.staff.clone() else {
            let elsewhere = flash::done(STAFF_LOG_IN);
            return ready(Err(InternalError::from_response("nobody of the staff is logged in", elsewhere).into()));
        };
        ready(Ok(Self { door, member }))
    }
}
