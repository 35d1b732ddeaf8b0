//! What the API sends and takes: stable shapes of its own, so that a view may change without breaking anybody's program.
//!
//! Fields are added, never renamed or taken away. Amounts are fen, times are UTC.

pub(super) mod cards;
pub(super) mod orders;
pub(super) mod redemptions;
pub(super) mod shops;

use serde::Deserialize;
use utoipa::IntoParams;

/// Which page of a list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// Entries of the page, at most; 50 without.
    #[param(minimum = 1, maximum = 50, nullable = false)]
    pub(super) limit: Option<usize>,
    /// `next` of the page before; the first page without.
    #[param(nullable = false, pattern = "^[A-Za-z0-9_-]+$", max_length = 200)]
    pub(super) cursor: Option<String>,
}
