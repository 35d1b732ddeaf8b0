//! What tests of the whole system are arranged with: servers, a database per test, a clock, a platform, and actors.
//!
//! ```text
//! Servers            one Postgres and one Redis for a test run (KAMIFLOW_TEST_*), or private ones for this process
//!   └ TestDatabase   CREATE DATABASE … TEMPLATE of a migrated one; dropped at the end of the test
//!       └ TestApp    an Engine over it, as kamiflow_app, with a clock that stands still and a scripted platform
//!           └ actors a Merchant, her Shop, Pool, Sku …: each test says only what it is about
//! ```
//! Programs that run the product in processes of its own make theirs of [`fleet`] and [`program`].
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "an arrangement that fails is a test that fails, at the line that says why"
)]

pub mod accounts;
mod actors;
mod api_client;
mod app;
mod browser;
mod clock;
mod database;
pub mod fleet;
mod mail_catcher;
mod market;
mod pg_proxy;
pub mod program;
mod raw;
mod sandbox_hands;
mod servers;
mod site;
mod world;

pub use actors::{Merchant, Pool, Shop};
pub use api_client::{ApiAnswer, ApiClient};
pub use app::TestApp;
pub use browser::{Answer, Browser, between};
pub use clock::ManualClock;
pub use database::{TestDatabase, migrations_hash};
pub use mail_catcher::{Caught, MailCatcher};
pub use market::{ScriptedMarket, market_error};
pub use pg_proxy::{Cut, PgProxy};
pub use raw::{RawSql, refused_by};
pub use sandbox_hands::SandboxHands;
pub use servers::Servers;
pub use site::TestSite;
pub use world::{ShiftedClock, World, WorldOptions, numbered};
