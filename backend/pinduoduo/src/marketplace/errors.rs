//! Failed calls in the port's words.

use std::time::Duration;

use kamiflow_domain::marketplace::{ErrorClass, MarketError};

use crate::errors::{CallError, ErrorClass as CallClass};

/// An answer that lacks what makes it one is asked for again this much later.
const AFTER_INCOMPLETE: Duration = Duration::from_secs(10);

pub(super) fn market_error(error: CallError) -> MarketError {
    let class = match error.class {
        CallClass::RetryLater { .. } => ErrorClass::RetryLater,
        CallClass::Reauthorize => ErrorClass::Reauthorize,
        CallClass::StopApi => ErrorClass::StopApi,
        CallClass::StopApplication => ErrorClass::StopApplication,
        CallClass::StopMall => ErrorClass::StopMall,
        CallClass::Rejected => ErrorClass::Rejected,
        CallClass::AlreadyDone => ErrorClass::AlreadyDone,
        CallClass::OutcomeUnknown => ErrorClass::OutcomeUnknown,
        CallClass::NotSent { .. } => ErrorClass::NotSent,
    };
    // Only a certain failure may be told as "unknown order".
    let certain = matches!(class, ErrorClass::Rejected | ErrorClass::RetryLater);
    MarketError {
        api: error.api.to_owned(),
        class: if certain && error.is_unknown_order() { ErrorClass::NotFound } else { class },
        code: error.code.unwrap_or_default(),
        after: error.advised_delay(),
        sub_code: error.sub_code.map(String::from).unwrap_or_default(),
        message: error.message.into(),
    }
}

/// A failure that no answer of the platform named.
pub(super) fn refused(api: &str, class: ErrorClass, message: &str) -> MarketError {
    MarketError {
        api: api.to_owned(),
        class,
        code: 0,
        sub_code: String::new(),
        message: message.to_owned(),
        after: None,
    }
}

/// The answer of a read without a field it cannot do without.
pub(super) fn incomplete(api: &str, field: &str) -> MarketError {
    let message = format!("the answer has no usable `{field}`");
    MarketError { after: Some(AFTER_INCOMPLETE), ..refused(api, ErrorClass::RetryLater, &message) }
}
