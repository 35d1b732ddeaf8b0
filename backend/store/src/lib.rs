//! The only crate that knows diesel: transactions bound to one merchant, one module of functions per table, sealing of columns.
//!
//! # Tenant isolation
//! Everything a merchant owns is reached through [`TenantTx`], which sets `app.merchant_id` for its transaction;
//! forced row-level security hides every other row, and every statement filters on `merchant_id` as well, because
//! that is what the indexes lead with. [`SystemTx`] sets nothing: it sees no tenant row and may only call the
//! `system_*` functions, which return ids, times and counts.
//!
//! # Exactly-once
//! The rules are constraints and triggers in `migrations/`; the functions here are written so that they never
//! meet them, and so that a mistake elsewhere does.
//!
//! # Locks
//! Always in the order order → delivery → pool → cards, each ordered by id.
//!
//! # A lost connection
//! An error of the connection drops it from the pool. If it happens during COMMIT nobody knows whether the
//! transaction took place: that is [`StoreError::CommitUnknown`], never retried blindly; the writer reads its
//! idempotency key again on a fresh connection.

mod connection;
mod error;
mod keys;
mod pool;
pub(crate) mod sql;
mod stored;
mod tx;

pub mod account_recoveries;
pub mod accounts;
pub mod api_requests;
pub mod api_tokens;
pub mod application_return;
pub mod applications;
pub mod attempts;
pub mod audit;
pub mod authorization_links;
pub mod authorization_requests;
pub mod backlog;
pub mod card_claims;
pub mod card_pools;
pub mod card_uses;
pub mod cards;
pub mod catalog;
pub mod charge_requests;
pub mod coverage;
pub mod coverage_repair;
pub mod credentials;
pub mod dashboard;
pub mod deliveries;
pub mod delivery_lines;
pub mod exceptions;
pub mod exports;
pub mod handled_outside;
pub mod held_work;
pub mod hot_statements;
pub mod jobs;
pub mod ledger_roots;
pub mod mailed_notices;
pub mod mails;
pub mod merchant_end;
pub mod merchants;
pub mod migrate;
pub mod notification_addresses;
pub mod order_events;
pub mod order_hints;
pub mod order_list;
pub mod order_progress;
pub mod orders;
pub mod outbox;
pub mod own_applications;
pub mod pauses;
pub mod platform_looks;
pub mod platform_stock;
pub mod platform_uploads;
pub mod products;
pub mod redemptions;
pub mod refunds;
pub mod reseal;
pub mod restored_shops;
pub mod retention;
pub mod rollups;
pub mod rules;
pub mod ship_by;
pub mod shop_sync;
pub mod shops;
pub mod sign_ups;
pub mod sku_lookup;
pub mod snapshot;
pub mod staff;
pub mod startup;
pub mod stock_waits;
pub mod system;
pub mod take_overs;
pub mod team;
pub mod token_lives;
pub mod told;
pub mod trial_orders;
pub mod verification_pictures;
pub mod verifications;
pub mod wizard_places;

pub use error::StoreError;
pub use keys::{DataKey, KeyRing, KeyRingError, SealError};
pub use pool::{PoolUse, Store, StoreConfig, settle_thread};
pub use tx::{SystemTx, TenantTx, UserTx};
