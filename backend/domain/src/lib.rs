//! Use cases, one per file; state machines; ports to the marketplace. Knows no HTTP, no Redis and no platform wire format.

mod acts;

pub mod backoff;
pub mod card_file;
pub mod card_pattern;
pub mod compat;
pub mod connect_shop;
pub mod ctx;
pub mod engine;
pub mod gate;
pub mod go_live;
pub mod ingest;
pub mod manage_cards;
pub mod map_sku;
pub mod marketplace;
pub mod pause;
pub mod push_hint;
pub mod redemption_rules;
pub mod refresh_token;
pub mod register_application;
pub mod shop_access;
pub mod sync_products;
pub mod tokens;
