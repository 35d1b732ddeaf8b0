//! Tokens of the API, and the repetition of its writes (docs/adr/0016-api-tokens-and-idempotency.md).
//!
//! ```text
//! create_token ─► kf_live_… or kf_test_…, told once         the database keeps SHA-256 of it
//! authenticate: a token ──► Ctx with Actor::Token           scopes ∩ the maker's role now; shops ∩ the maker's ∩ mode
//!                             └──► the same use cases as the pages call
//! repetition: key ──► first time: go on, and keep the answer     again: the kept answer, or a refusal
//! ```
//! # What a token is worth
//! Never more than its maker's seat is at the moment of the request. It ends with the seat, and stops with the account,
//! with the merchant, and while the maker must choose a password. What asks for a fresh proof is not for tokens.

pub mod authenticate;
pub mod create_token;
pub mod list_tokens;
pub mod repetition;
pub mod revoke_token;

/// What a token of real shops begins with.
pub const LIVE: &str = "kf_live_";
/// What a token of sandbox shops begins with.
pub const TEST: &str = "kf_test_";
