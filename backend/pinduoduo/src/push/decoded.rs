//! Reading a push frame without a connection, for whoever feeds the reader hostile text.

use super::PushMessage;
use super::frame::{self, Frame};

/// What a frame asks for.
#[derive(Debug)]
pub enum Decoded {
    /// A message, with the frames that would answer it.
    Message {
        /// The hint, or why there is none.
        message: Result<PushMessage, &'static str>,
        /// The answer once the hint is stored.
        ack: String,
        /// The answer when it was not.
        fail: String,
    },
    /// A sign of life.
    HeartBeat,
    /// Nothing that asks for an answer.
    Other,
}

/// Reads a frame as a connection does; `reason` is why its hint would not be stored.
///
/// # Errors
/// When an answer cannot be written, which is the case for no message that was read.
pub fn decode(text: &str, reason: &str) -> Result<Decoded, serde_json::Error> {
    Ok(match frame::read(text) {
        Frame::HeartBeat => Decoded::HeartBeat,
        Frame::Other => Decoded::Other,
        Frame::Message(envelope, message) => {
            Decoded::Message { message, ack: envelope.answer(Ok(()))?, fail: envelope.answer(Err(reason))? }
        }
    })
}
