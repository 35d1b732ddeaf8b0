//! What belongs to a user and to no merchant: reached through [`UserTx`](crate::UserTx), which shows one user's rows only.
//!
//! [`lookup`] is what may be asked before it is known who somebody is. See docs/adr/0014-accounts.md.

pub mod devices;
pub mod factors;
pub mod lookup;
pub mod sessions;
pub mod tokens;
pub mod users;
