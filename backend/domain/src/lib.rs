//! Use cases, one per file; state machines; ports to the marketplace. Knows no HTTP, no Redis and no platform wire format.

mod acts;
mod stock_in;

pub mod approve_redemption;
pub mod backoff;
pub mod card_file;
pub mod card_pattern;
pub mod charge;
pub mod compat;
pub mod connect_shop;
pub mod ctx;
pub mod deliver;
pub mod engine;
pub mod gate;
pub mod generate_cards;
pub mod go_live;
pub mod import_cards;
pub mod ingest;
pub mod manage_cards;
pub mod map_sku;
pub mod market_trouble;
pub mod marketplace;
pub mod pause;
pub mod pause_check;
pub mod platform_pool;
pub mod push_hint;
pub mod redeem;
pub mod redemption_dry_run;
pub mod redemption_rules;
pub mod refresh_token;
pub mod register_application;
pub mod report_use;
pub mod save_rules;
pub mod shop_access;
pub mod sync_products;
pub mod tokens;
