//! Tests of the whole system, one module per subject, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "an arrangement that fails is a test that fails, at the line that says why"
)]

mod accounts;
mod applications;
mod attack_catalog;
mod attack_store;
mod audit_details;
mod batch_pauses;
mod born_orders;
mod calls_per_order;
mod canary;
mod captured_log;
mod cards;
mod chaos;
mod client_contract;
mod closed_merchants;
mod commit_unknown;
mod connection;
mod connections_of_threads;
mod dead_tokens;
mod delivery;
mod delivery_methods;
mod doctor;
mod image;
mod isolation;
mod known_failures;
mod ledger;
mod notices;
mod order_acts;
mod order_watch;
mod paused_backlog;
mod pauses;
mod plans;
mod platform_stock;
mod platform_texts;
mod preflight;
mod push;
mod reconcile;
mod redemption;
mod resend_judgment;
mod restore;
mod retention;
mod reusable_cards;
mod rollups;
mod rotate_keys;
mod schema_rules;
mod sent_together;
mod shops;
mod startup;
mod stock_rules;
mod sync;
mod teams;
mod tls;
mod tokens;
mod verification;
mod waiting_orders;
mod web_accounts;
mod web_api;
mod web_cards;
mod web_connect;
mod web_deletion;
mod web_exports;
mod web_gateways;
mod web_live;
mod web_mails;
mod web_modes;
mod web_orders;
mod web_pages;
mod web_passkeys;
mod web_pauses;
mod web_redirects;
mod web_rename;
mod web_roles;
mod web_security;
mod web_shops;
mod web_staff;
mod web_staff_account;
mod web_team;
mod web_uploads;
mod web_verification;
