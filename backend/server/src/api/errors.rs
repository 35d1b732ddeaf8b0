//! What use cases refuse, as problem documents: the one place that maps them.

use std::error::Error as StdError;

use actix_web::http::StatusCode;
use kamiflow_domain::approve_redemption::ApproveRedemptionError;
use kamiflow_domain::ctx::{ActError, Denied};
use kamiflow_domain::import_cards::ImportCardsError;
use kamiflow_domain::manage_cards::ManageCardsError;
use kamiflow_domain::report_use::ReportUseError;
use kamiflow_domain::retry_order::RetryOrderError;
use kamiflow_domain::reveal_cards::RevealCardsError;
use kamiflow_store::StoreError;
use tracing::error;

use crate::problem::Problem;

/// Not there, or not for this token: one answer.
pub(super) fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "resource.unknown", "There is no such thing, or not for this token")
}

fn conflict(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::CONFLICT, code, title)
}

fn unprocessable(code: &'static str, title: &'static str) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, title)
}

/// What failed inside of us is for the log only.
pub(super) fn failed(cause: &(dyn StdError + 'static)) -> Problem {
    error!(error = cause, "A request of the API failed");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.failed", "The server could not answer")
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => not_found(),
            // No constraint that a caller can meet is left to the database but what a text may hold.
            other => failed(&other),
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        let title = "The token's maker may not do this, or the token is limited to some shops";
        Self::new(StatusCode::FORBIDDEN, "permission.missing", title).because(denied.to_string())
    }
}

impl From<ActError> for Problem {
    fn from(error: ActError) -> Self {
        match error {
            ActError::Denied(denied) => denied.into(),
            ActError::Store(error) => error.into(),
        }
    }
}

impl From<RetryOrderError> for Problem {
    fn from(error: RetryOrderError) -> Self {
        match error {
            RetryOrderError::NotFound => not_found(),
            unsafe_now @ RetryOrderError::NotSafe { .. } => {
                conflict("order.not_safe", "To try again now could send a card twice").because(unsafe_now.to_string())
            }
            RetryOrderError::Redemption(error) => error.into(),
            RetryOrderError::Denied(denied) => denied.into(),
            RetryOrderError::Store(error) => error.into(),
        }
    }
}

impl From<ApproveRedemptionError> for Problem {
    fn from(error: ApproveRedemptionError) -> Self {
        match error {
            ApproveRedemptionError::NotFound => not_found(),
            ApproveRedemptionError::NothingOpen => {
                conflict("redemption.nothing_open", "There is nothing to approve: it is done, or never was")
            }
            ApproveRedemptionError::Refund => {
                conflict("redemption.refund", "A refund of the order is open or made: used would be false")
            }
            ApproveRedemptionError::Ended(state) => {
                conflict("redemption.order_state", "The order does not wait for redemption")
                    .because(format!("it is {state}"))
            }
            ApproveRedemptionError::Denied(denied) => denied.into(),
            ApproveRedemptionError::Store(error) => error.into(),
        }
    }
}

impl From<ReportUseError> for Problem {
    fn from(error: ReportUseError) -> Self {
        match error {
            ReportUseError::NotFound => not_found(),
            ReportUseError::NotDelivered => conflict("order.not_delivered", "The order is not delivered yet"),
            ReportUseError::InFuture => unprocessable("use.in_future", "The time of use is in the future"),
            ReportUseError::TooManyCodes { room } => {
                unprocessable("use.too_many_codes", "The order has fewer lines without a code")
                    .because(format!("{room} codes at most"))
            }
            ReportUseError::Denied(denied) => denied.into(),
            ReportUseError::Store(error) => error.into(),
        }
    }
}

impl From<RevealCardsError> for Problem {
    fn from(error: RevealCardsError) -> Self {
        match error {
            RevealCardsError::NotFound => not_found(),
            RevealCardsError::NothingSent => conflict("order.nothing_sent", "No card of this order has been sent"),
            quota @ RevealCardsError::QuotaUsed(_) => {
                let title = "The daily quota of the token's maker is used up";
                Self::new(StatusCode::TOO_MANY_REQUESTS, "reveal.quota_used", title).because(quota.to_string())
            }
            RevealCardsError::Denied(denied) => denied.into(),
            RevealCardsError::Store(error) => error.into(),
        }
    }
}

impl From<ManageCardsError> for Problem {
    fn from(error: ManageCardsError) -> Self {
        match error {
            ManageCardsError::PoolUnknown => not_found(),
            ManageCardsError::OtherPlatform => {
                unprocessable("cards.other_platform", "Cards stay with shops of the platform they were put in for")
            }
            too_many @ ManageCardsError::TooMany(_) => {
                unprocessable("cards.too_many", "Too many cards at once").because(too_many.to_string())
            }
            ManageCardsError::Denied(denied) => denied.into(),
            ManageCardsError::Store(error) => error.into(),
        }
    }
}

impl From<ImportCardsError> for Problem {
    fn from(error: ImportCardsError) -> Self {
        match error {
            ImportCardsError::PoolUnknown => not_found(),
            // Its texts say what to do and hold no part of a card but a column's name.
            ImportCardsError::File(cause) => {
                unprocessable("cards.unreadable", "The cards cannot be read").because(cause.to_string())
            }
            ImportCardsError::Empty => unprocessable("cards.empty", "There is no card"),
            uses @ ImportCardsError::UsesPermitted(_) => {
                unprocessable("cards.uses_permitted", "A card cannot be used as often").because(uses.to_string())
            }
            ImportCardsError::Denied(denied) => denied.into(),
            ImportCardsError::Store(error) => error.into(),
            cause @ (ImportCardsError::NotStored(_) | ImportCardsError::Interrupted(_)) => failed(&cause),
        }
    }
}
