//! `/console/pools`, `/console/products` and `/console/notifications`.

use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::stock_pages::{PoolSummary, SkuSummary};
use kamiflow_kernel::ShopId;

/// The pools.
#[derive(Debug)]
pub struct Pools {
    /// With their stock.
    pub pools: Vec<PoolSummary>,
    /// Whether the member may make pools and import cards.
    pub may_manage: bool,
}

/// One pool, to import into.
#[derive(Debug)]
pub struct Pool {
    /// With its stock.
    pub pool: PoolSummary,
    /// Whether the member may import cards.
    pub may_manage: bool,
}

/// The SKUs of a shop.
#[derive(Debug)]
pub struct Products {
    /// The shops to choose from.
    pub shops: Vec<ShopSummary>,
    /// The one that is looked at.
    pub shop: Option<ShopId>,
    /// Its SKUs.
    pub skus: Vec<SkuSummary>,
    /// The pools to choose from.
    pub pools: Vec<PoolSummary>,
    /// Whether the member may change what is done with orders.
    pub may_map: bool,
}

/// Where the merchant is told of what needs a person.
#[derive(Debug)]
pub struct Notifications {
    /// The address, if one was set.
    pub address: Option<String>,
    /// Whether the member may change it.
    pub may_manage: bool,
}
