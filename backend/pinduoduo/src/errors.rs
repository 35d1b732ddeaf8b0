//! What a failed call means for whoever made it.
//!
//! The platform answers failures with a code and, for business failures, a sub code (protocol 1.6, 1.7,
//! 4.5). [`table::TABLE`] turns both into a class. The question behind every row is whether the call may
//! have had its effect: a write that may have is [`ErrorClass::OutcomeUnknown`], whatever else is true.

use std::fmt;
use std::time::Duration;

pub mod table;

use crate::api::ApiMeta;
use table::Verdict;

const MESSAGE_LIMIT: usize = 200;

/// What a failed call means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// The platform refused or failed without effect; the same call may be made after this long.
    RetryLater {
        /// How long to wait at least.
        after: Duration,
    },
    /// The token is expired or unknown: refresh it, else the merchant must authorize anew.
    Reauthorize,
    /// This application may not call this API, or the API is gone.
    StopApi,
    /// The application as a whole is refused: keys, address, state, or our own request's shape.
    StopApplication,
    /// The platform sees a risk in this mall.
    StopMall,
    /// A certain failure of this one call: nothing happened, and the same call will fail again.
    Rejected,
    /// What was asked for is already so.
    AlreadyDone,
    /// The call may or may not have had its effect: read back before anything else.
    OutcomeUnknown,
    /// Nothing left this machine: no budget, deadline passed, or no connection.
    NotSent {
        /// How long to wait at least.
        after: Duration,
    },
}

impl ErrorClass {
    /// Returns the stable name used in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RetryLater { .. } => "retry_later",
            Self::Reauthorize => "reauthorize",
            Self::StopApi => "stop_api",
            Self::StopApplication => "stop_application",
            Self::StopMall => "stop_mall",
            Self::Rejected => "rejected",
            Self::AlreadyDone => "already_done",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::NotSent { .. } => "not_sent",
        }
    }

    /// Returns how long to wait before the same call, for the classes that say so.
    #[must_use]
    pub const fn advised_delay(self) -> Option<Duration> {
        match self {
            Self::RetryLater { after } | Self::NotSent { after } => Some(after),
            _ => None,
        }
    }

    /// Returns whether the call certainly had no effect.
    #[must_use]
    pub const fn is_certainly_without_effect(self) -> bool {
        !matches!(self, Self::AlreadyDone | Self::OutcomeUnknown)
    }
}

/// A failed call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// The API that was called.
    pub api: &'static str,
    /// What the failure means.
    pub class: ErrorClass,
    /// The platform's main code, when it answered with one.
    pub code: Option<i64>,
    /// The platform's sub code, when it answered with one.
    pub sub_code: Option<Box<str>>,
    /// The platform's text or our own, one line, at most 200 characters.
    pub message: Box<str>,
    /// The platform's number of the request, for its support.
    pub request_id: Option<Box<str>>,
}

impl std::error::Error for CallError {}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} failed ({}", self.api, self.class.as_str())?;
        if let Some(code) = self.code {
            write!(f, ", code {code}")?;
        }
        if let Some(sub_code) = &self.sub_code {
            write!(f, "/{sub_code}")?;
        }
        write!(f, "): {}", self.message)
    }
}

impl CallError {
    /// Returns how long to wait before the same call, when the class says so.
    #[must_use]
    pub const fn advised_delay(&self) -> Option<Duration> {
        self.class.advised_delay()
    }

    /// Returns whether the platform said that the order is unknown or another mall's (50001/45001).
    ///
    /// Right after a push this can also mean "not visible yet".
    #[must_use]
    pub fn is_unknown_order(&self) -> bool {
        self.sub_code.as_deref() == Some("45001")
    }

    /// Returns what the table knows about this failure's code and sub code.
    #[must_use]
    pub fn rule(&self) -> Option<&'static table::Rule> {
        self.code.and_then(|code| table::find(self.api, code, self.sub_code.as_deref()))
    }

    pub(crate) fn local(meta: &ApiMeta, class: ErrorClass, message: &str) -> Self {
        Self { api: meta.name, class, code: None, sub_code: None, message: clean(message), request_id: None }
    }

    /// A failure that leaves a write's outcome open; a read is just made again.
    pub(crate) fn uncertain(meta: &ApiMeta, after: Duration, message: &str) -> Self {
        Self::local(meta, uncertain(meta, after), message)
    }
}

fn uncertain(meta: &ApiMeta, after: Duration) -> ErrorClass {
    if meta.writes { ErrorClass::OutcomeUnknown } else { ErrorClass::RetryLater { after } }
}

/// The platform's answer to a failed call, before it is classified.
#[derive(Debug, Clone, Default)]
pub(crate) struct Failure {
    pub(crate) code: i64,
    pub(crate) sub_code: Option<String>,
    pub(crate) message: String,
    pub(crate) request_id: Option<String>,
}

impl Failure {
    pub(crate) fn classify(self, meta: &ApiMeta) -> CallError {
        let verdict = table::verdict(meta.name, self.code, self.sub_code.as_deref(), &self.message);
        let class = match verdict {
            Verdict::RetryLater(seconds) => ErrorClass::RetryLater { after: Duration::from_secs(seconds) },
            Verdict::Uncertain(seconds) => uncertain(meta, Duration::from_secs(seconds)),
            Verdict::Reauthorize => ErrorClass::Reauthorize,
            Verdict::StopApi => ErrorClass::StopApi,
            Verdict::StopApplication => ErrorClass::StopApplication,
            Verdict::StopMall => ErrorClass::StopMall,
            Verdict::Rejected => ErrorClass::Rejected,
            Verdict::AlreadyDone => ErrorClass::AlreadyDone,
        };
        CallError {
            api: meta.name,
            class,
            code: Some(self.code),
            sub_code: self.sub_code.map(|sub_code| clean(&sub_code)),
            message: clean(&self.message),
            request_id: self.request_id.map(|id| clean(&id)),
        }
    }
}

/// One line of at most [`MESSAGE_LIMIT`] characters: the text reaches logs and pages.
fn clean(text: &str) -> Box<str> {
    text.chars().filter(|character| !character.is_control()).take(MESSAGE_LIMIT).collect::<String>().into_boxed_str()
}

#[cfg(test)]
mod tests;
