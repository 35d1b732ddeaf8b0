//! What can go wrong between us and Postgres, told apart by what the caller can do about it.

use diesel::result::{DatabaseErrorKind, Error as DieselError};

use crate::keys::SealError;

/// An error of the store.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// No connection could be had; nothing happened.
    #[error("postgres cannot be reached: {0}")]
    Unavailable(String),
    /// The connection was lost before COMMIT; the transaction was rolled back.
    #[error("the connection to postgres was lost")]
    ConnectionLost(#[source] DieselError),
    /// The connection was lost during COMMIT: the transaction may or may not have taken place.
    #[error("the outcome of a commit is not known")]
    CommitUnknown(#[source] DieselError),
    /// A named constraint or trigger refused.
    #[error("constraint `{constraint}` refused")]
    Constraint {
        /// The constraint's name in the schema.
        constraint: String,
        /// The database's error.
        #[source]
        source: DieselError,
    },
    /// Two transactions were in each other's way; running again is safe.
    #[error("the transaction gave way to another one")]
    Conflict(#[source] DieselError),
    /// Any other failure of a statement: a bug of ours.
    #[error("a statement failed")]
    Query(#[source] DieselError),
    /// A row that must exist does not, or belongs to another merchant.
    #[error("{0} was not found")]
    NotFound(&'static str),
    /// A stored text is not one this program knows.
    #[error("a stored value cannot be read: {0}")]
    Corrupt(String),
    /// Sealing or opening failed.
    #[error("a sealed column cannot be read or written")]
    Seal(#[from] SealError),
}

impl StoreError {
    /// Returns the name of the violated constraint, if that is what happened.
    #[must_use]
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Constraint { constraint, .. } => Some(constraint),
            _ => None,
        }
    }

    /// Returns whether the connection itself is gone.
    #[must_use]
    pub const fn is_connection_lost(&self) -> bool {
        matches!(self, Self::ConnectionLost(_) | Self::CommitUnknown(_) | Self::Unavailable(_))
    }

    /// Returns whether running the whole transaction again is safe and likely to help.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::ConnectionLost(_) | Self::Unavailable(_) | Self::Conflict(_))
    }

    /// Classifies an error of COMMIT: only an answer that proves the rollback is certain.
    pub(crate) fn of_commit(error: DieselError) -> Self {
        match Self::from(error) {
            known @ (Self::Constraint { .. } | Self::Conflict(_)) => known,
            Self::ConnectionLost(source) | Self::Query(source) => Self::CommitUnknown(source),
            other => other,
        }
    }
}

impl From<DieselError> for StoreError {
    fn from(error: DieselError) -> Self {
        let DieselError::DatabaseError(kind, details) = &error else {
            return Self::Query(error);
        };
        if let Some(constraint) = details.constraint_name() {
            return Self::Constraint { constraint: constraint.to_owned(), source: error };
        }
        match kind {
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection => Self::ConnectionLost(error),
            DatabaseErrorKind::SerializationFailure => Self::Conflict(error),
            // diesel has no kind for these: deadlock detected, lock timeout, server shutting down or restarting.
            DatabaseErrorKind::Unknown => match details.message() {
                message if message.contains("deadlock detected") || message.contains("lock timeout") => {
                    Self::Conflict(error)
                }
                message
                    if message.contains("terminating connection")
                        || message.contains("the database system is")
                        || message.contains("idle-in-transaction timeout") =>
                {
                    Self::ConnectionLost(error)
                }
                _ => Self::Query(error),
            },
            _ => Self::Query(error),
        }
    }
}
