//! What pages behind the log-in show: the server reads it, the page renders it. One file per area.

pub mod account;
pub mod api;
pub mod connect;
pub mod once;
pub mod orders;
pub mod overview;
pub mod passkey;
pub mod pauses;
pub mod rules;
pub mod shops;
pub mod staff;
pub mod stock;
pub mod team;
pub mod verification;
