//! What must hold for whatever bytes a merchant, the platform or an attacker sends.
//!
//! Each body takes bytes and panics where a property does not hold. It lives here once and runs twice: as a fuzz
//! target of `tests/fuzz` (cargo-fuzz, nightly), and as a property test of this crate on stable. The leading bytes of an
//! input choose the circumstances, the rest is what is read, so that a found input is one small file.
//!
//! To add a target: a module with a `run(&[u8])`, a file of a few lines in `tests/fuzz/fuzz_targets`, inputs in
//! `tests/fuzz/corpus/<target>`, and its line in `tests/properties.rs`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a panic is how a body says that a property does not hold"
)]

pub mod bytes;
pub mod card_import;
pub mod gateway_answer;
pub mod push_frame;
pub mod rule_evaluation;
