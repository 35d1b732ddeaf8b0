//! `/console/pools`, `/console/products` and `/console/notifications`.

use kamiflow_domain::card_file::RejectedLine;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::show_pauses::PauseLine;
use kamiflow_domain::stock_pages::{BatchRow, PoolSummary, SkuSummary};
use kamiflow_kernel::{GatewayKind, PoolId, ShopId};

/// The pools.
#[derive(Debug)]
pub struct Pools {
    /// With their stock.
    pub pools: Vec<PoolSummary>,
    /// For shops of which platform a pool is made here; it stays so.
    pub gateway: GatewayKind,
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
    /// Whether the member may pause it.
    pub may_pause: bool,
    /// Pauses of it.
    pub pauses: Vec<PauseLine>,
    /// Its latest batches, for who may import.
    pub batches: Vec<BatchRow>,
}

/// What became of an import that has refused lines.
#[derive(Debug)]
pub struct ImportResult {
    /// Into which pool.
    pub pool: PoolId,
    /// Cards that were taken.
    pub taken: u64,
    /// Lines that were refused.
    pub rejected: u64,
    /// The first of them.
    pub lines: Vec<RejectedLine>,
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
    /// Whether the member may write redemption rules.
    pub may_rule: bool,
    /// Whether the member may pause orders of a SKU.
    pub may_pause: bool,
}

/// Where the merchant is told of what needs a person.
#[derive(Debug)]
pub struct Notifications {
    /// The address, if one was set.
    pub address: Option<String>,
    /// Whether the member may change it.
    pub may_manage: bool,
}
