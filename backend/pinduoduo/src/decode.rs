//! Reading the platform's answers without a connection, for whoever feeds the reader hostile bytes.

use crate::api::Api;
use crate::client::Answer;
use crate::envelope;
use crate::errors::CallError;

/// Returns the payload of an answer, or what its failure means; the client reads every answer this way.
///
/// # Errors
/// Whatever is not a whole, readable success of this API.
pub fn answer<A: Api>(status: u16, body: Vec<u8>) -> Result<A::Response, CallError> {
    envelope::read::<A>(Answer { status, body })
}
