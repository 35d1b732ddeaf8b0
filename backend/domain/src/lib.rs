//! Use cases, one per file; state machines; ports to the marketplace. Knows no HTTP, no Redis and no platform wire format.

pub mod backoff;
pub mod card_file;
pub mod card_pattern;
pub mod compat;
pub mod ctx;
pub mod engine;
pub mod gate;
pub mod ingest;
pub mod marketplace;
pub mod push_hint;
pub mod redemption_rules;
pub mod shop_access;
