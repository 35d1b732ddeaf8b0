//! The one error of this crate.

use std::error::Error;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// Why Redis did not do what was asked.
///
/// The causes are boxed so that no type of the Redis client leaves this crate.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    /// No answer, or a server that is starting, failing over or gone. Whether the call took effect is unknown.
    #[error("redis is unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
    /// Redis answered and refused: wrong credentials, out of memory, a replica, a missing permission.
    #[error("redis refused the command")]
    Refused(#[source] Box<dyn Error + Send + Sync>),
    /// Redis answered something this crate does not understand.
    #[error("redis answered in an unexpected form")]
    Protocol(#[source] Box<dyn Error + Send + Sync>),
    /// A pool, member, group, bucket, lock or channel with a name that cannot be part of a key.
    #[error("`{name}` is not a valid {what}: {rule}")]
    InvalidName {
        /// What the name was meant to name.
        what: &'static str,
        /// The name as given, shortened.
        name: String,
        /// What is permitted.
        rule: &'static str,
    },
    /// A configuration value that cannot work.
    #[error("invalid queue configuration: {0}")]
    InvalidConfig(String),
}

impl QueueError {
    /// Returns whether trying again later may help.
    pub fn is_unavailable(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    pub(crate) fn unavailable(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Unavailable(cause.into())
    }
}

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        // Somebody's script runs for seconds; the server is there again when it is through.
        if error.code() == Some("BUSY") {
            return Self::Unavailable(Box::new(error));
        }
        match error.kind() {
            ErrorKind::Io
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly,
            ) => Self::Unavailable(Box::new(error)),
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => Self::Protocol(Box::new(error)),
            ErrorKind::InvalidClientConfig => Self::InvalidConfig(error.to_string()),
            _ => Self::Refused(Box::new(error)),
        }
    }
}
