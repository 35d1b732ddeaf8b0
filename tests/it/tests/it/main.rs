//! Tests of the whole system, one module per subject, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an arrangement that fails is a test that fails, at the line that says why"
)]

mod batch_pauses;
mod calls_per_order;
mod applications;
mod cards;
mod chaos;
mod client_contract;
mod dead_tokens;
mod commit_unknown;
mod delivery;
mod doctor;
mod isolation;
mod ledger;
mod known_failures;
mod order_acts;
mod order_watch;
mod paused_backlog;
mod pauses;
mod platform_stock;
mod plans;
mod platform_texts;
mod push;
mod redemption;
mod resend_judgment;
mod restore;
mod reusable_cards;
mod rotate_keys;
mod schema_rules;
mod shops;
mod rollups;
mod startup;
mod stock_rules;
mod sync;
mod tls;
mod tokens;
mod waiting_orders;
