//! The typed calls, one module per group of the platform's catalog.
//!
//! To add an API: a request struct with its [`Api`] implementation in the group's module, its line in
//! [`catalog`], and its row in [`crate::limits`] when the platform documents a limit.

use serde::de::DeserializeOwned;

pub mod catalog;
pub mod charge;
pub mod decrypt;
pub mod goods;
pub mod logistics;
pub mod mall;
pub mod order;
pub mod pmc;
pub mod refund;
pub mod token;
pub mod voucher;

use crate::params::Params;

/// The facts about an API that do not depend on a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiMeta {
    /// The `type` parameter.
    pub name: &'static str,
    /// The key the answer is wrapped in (protocol 1.5); `None` when the fields are at the top level.
    pub response_key: Option<&'static str>,
    /// Whether a mall's token is sent.
    pub needs_token: bool,
    /// Whether the call changes something, so that a lost answer is an unknown outcome.
    pub writes: bool,
}

impl ApiMeta {
    /// Describes a call that only reads and needs a mall's token.
    #[must_use]
    pub const fn read(name: &'static str, response_key: &'static str) -> Self {
        Self { name, response_key: Some(response_key), needs_token: true, writes: false }
    }

    /// Describes a call that changes something and needs a mall's token.
    #[must_use]
    pub const fn write(name: &'static str, response_key: &'static str) -> Self {
        Self { name, response_key: Some(response_key), needs_token: true, writes: true }
    }

    /// The same without a token.
    #[must_use]
    pub const fn without_token(self) -> Self {
        Self { needs_token: false, ..self }
    }

    /// The same with the answer's fields at the top level.
    #[must_use]
    pub const fn unwrapped(self) -> Self {
        Self { response_key: None, ..self }
    }
}

/// What an answer without `error_response` says about the call all the same.
///
/// Several APIs carry their business result inside the payload (`is_success`, `succ`, `errorCode`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InBand {
    /// Done.
    Done,
    /// Refused by the business service.
    Refused {
        /// The inner code, treated like a sub code of 50001.
        code: Option<i64>,
        /// The inner text.
        message: String,
    },
    /// Neither: the field that says so is absent.
    Unclear,
}

impl InBand {
    /// Reads a bare success flag.
    #[must_use]
    pub fn flag(success: Option<bool>, code: Option<i64>, message: Option<&str>) -> Self {
        match success {
            Some(true) => Self::Done,
            Some(false) => Self::Refused { code, message: message.unwrap_or("answered without success").to_owned() },
            None => Self::Unclear,
        }
    }
}

mod sealed {
    /// Keeps [`super::Api`] to this crate, where the catalog knows every implementation.
    pub trait Sealed {}
}
pub(crate) use sealed::Sealed;

/// A request of one API.
pub trait Api: Sealed + Send + Sync {
    /// The API's facts.
    const META: &'static ApiMeta;
    /// The payload of a successful answer.
    type Response: DeserializeOwned + Send;

    /// Writes the business parameters.
    fn params(&self, params: &mut Params);

    /// Returns what the payload itself says about success.
    #[must_use]
    fn in_band(_response: &Self::Response) -> InBand {
        InBand::Done
    }
}

/// The answer of writes that carry nothing but a success flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct Success {
    #[serde(default, alias = "is_success", alias = "succ", deserialize_with = "crate::wire::flag")]
    success: Option<bool>,
}

impl Success {
    pub(crate) fn in_band(self) -> InBand {
        InBand::flag(self.success, None, None)
    }
}

macro_rules! api {
    ($request:ty => $meta:expr, $response:ty, |$this:ident, $params:ident| $body:block $(, in_band $in_band:expr)?) => {
        impl crate::api::Sealed for $request {}
        impl crate::api::Api for $request {
            const META: &'static crate::api::ApiMeta = &$meta;
            type Response = $response;
            fn params(&self, $params: &mut crate::params::Params) {
                let $this = self;
                $body
            }
            $(fn in_band(response: &Self::Response) -> crate::api::InBand { $in_band(response) })?
        }
    };
}
pub(crate) use api;

#[cfg(test)]
mod tests;
