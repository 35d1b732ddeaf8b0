//! Why reading stopped.

use kamiflow_store::StoreError;
use kamiflow_store::coverage::CoverageKind;

use crate::marketplace::MarketError;

/// Why reading stopped.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// The platform refused.
    Market(MarketError),
    /// A window changed every time it was read.
    Unsettled(CoverageKind),
}

/// Why reading stopped, the store's failures included: with those the tick itself fails.
#[derive(Debug)]
pub(crate) enum Stop {
    Store(StoreError),
    Trouble(Trouble),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<MarketError> for Stop {
    fn from(error: MarketError) -> Self {
        Self::Trouble(Trouble::Market(error))
    }
}

impl std::fmt::Display for Trouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Market(error) => write!(f, "{error}"),
            Self::Unsettled(kind) => write!(f, "a window of {} changed every time it was read", kind.as_str()),
        }
    }
}
