//! The work queue over Redis.
