//! A call written down before it is made, so that a resend carries the same business bytes.

use std::collections::BTreeMap;
use std::fmt;

use kamiflow_kernel::SecretText;

use crate::api::{Api, ApiMeta, catalog};
use crate::params::Params;

/// A call whose business parameters are fixed.
///
/// The parameters may hold card codes: `Debug` shows only the API, and whoever stores the text seals it.
/// Token, time and signature are added at every send and differ between sends.
#[derive(Clone)]
pub struct PreparedCall {
    meta: &'static ApiMeta,
    params: SecretText,
}

/// A call that cannot be written down, or a stored one that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PreparedCallError {
    /// A parameter cannot be written as JSON.
    #[error("parameter cannot be written: {0}")]
    Unwritable(String),
    /// The stored API name is none of this client's.
    #[error("`{0}` is not an API of this client")]
    UnknownApi(String),
    /// The stored parameters are not a flat JSON object of texts.
    #[error("the stored parameters of `{0}` are not a flat JSON object of texts")]
    Malformed(&'static str),
}

impl PreparedCall {
    /// Writes a request down.
    ///
    /// # Errors
    /// When a nested parameter cannot be written as JSON.
    pub fn new<A: Api>(request: &A) -> Result<Self, PreparedCallError> {
        let mut params = Params::default();
        request.params(&mut params);
        let values = params.into_values().map_err(PreparedCallError::Unwritable)?;
        let text = serde_json::to_string(&values).map_err(|error| PreparedCallError::Unwritable(error.to_string()))?;
        Ok(Self { meta: A::META, params: SecretText::new(text) })
    }

    /// Reads a call back from its stored parts, as [`Self::api`] and [`Self::business_params`] gave them.
    ///
    /// # Errors
    /// When the API is unknown or the parameters are not a flat object of texts.
    pub fn from_stored(api: &str, params: SecretText) -> Result<Self, PreparedCallError> {
        let meta = catalog::find(api).ok_or_else(|| PreparedCallError::UnknownApi(api.to_owned()))?.meta;
        let call = Self { meta, params };
        call.values().map(|_readable| call.clone())
    }

    /// Returns the API's name.
    #[must_use]
    pub const fn api(&self) -> &'static str {
        self.meta.name
    }

    /// Returns the business parameters as compact JSON text with sorted keys. Secret: seal it when storing it.
    #[must_use]
    pub const fn business_params(&self) -> &SecretText {
        &self.params
    }

    pub(crate) const fn meta(&self) -> &'static ApiMeta {
        self.meta
    }

    pub(crate) fn values(&self) -> Result<BTreeMap<String, String>, PreparedCallError> {
        // serde_json's own message may quote the text, which holds card codes.
        serde_json::from_str(self.params.expose()).map_err(|_quotes| PreparedCallError::Malformed(self.meta.name))
    }
}

impl fmt::Debug for PreparedCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedCall").field("api", &self.meta.name).finish_non_exhaustive()
    }
}
