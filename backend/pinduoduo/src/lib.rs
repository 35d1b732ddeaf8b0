//! The Pinduoduo Open Platform client: signing, typed calls, error classes, limits and message push.

pub mod api;
mod card_key;
mod client;
mod conceal;
pub mod decode;
mod envelope;
pub mod errors;
mod keys;
pub mod limits;
pub mod marketplace;
mod params;
mod prepared;
pub mod push;
pub mod sign;
mod tls;
mod wire;

pub use api::{Api, ApiMeta};
pub use card_key::{CardKey, CardKeyError};
pub use client::{CallOptions, Client, ClientConfig, ClientError};
pub use errors::{CallError, ErrorClass};
pub use keys::{AppKeys, MallToken};
pub use params::Params;
pub use prepared::{PreparedCall, PreparedCallError};
pub use tls::install_crypto_provider;
pub use wire::{CipherShape, CipherText, Listing, Unreadable};
