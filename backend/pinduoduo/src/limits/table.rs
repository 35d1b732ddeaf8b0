//! The limits as documented (protocol 9.1).

/// Whom a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// One mall with one application.
    Mall,
    /// One application.
    Application,
    /// Everybody on the platform.
    Total,
}

/// A documented limit.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The API.
    pub api: &'static str,
    /// Whom it counts.
    pub level: Level,
    /// Calls.
    pub permits: u32,
    /// In so many seconds.
    pub seconds: u64,
    /// Whether it holds only outside 多多云.
    pub outside_cloud_only: bool,
}

/// The API with one small total for everybody, which has a rate of its own in the policy.
pub(crate) const OTA_VERIFICATION: &str = "pdd.voucher.ota.card.verification";

const fn mall(api: &'static str, permits: u32, seconds: u64) -> Limit {
    Limit { api, level: Level::Mall, permits, seconds, outside_cloud_only: false }
}

const fn app(api: &'static str, permits: u32, seconds: u64) -> Limit {
    Limit { api, level: Level::Application, permits, seconds, outside_cloud_only: false }
}

const fn total(api: &'static str, permits: u32, seconds: u64) -> Limit {
    Limit { api, level: Level::Total, permits, seconds, outside_cloud_only: false }
}

/// Every documented limit of an API of this client.
pub const PLATFORM: &[Limit] = &[
    mall("pdd.order.list.get", 10_000, 60),
    total("pdd.order.list.get", 17_500, 10),
    mall("pdd.order.number.list.increment.get", 3_000, 60),
    mall("pdd.order.information.get", 30_000, 60),
    total("pdd.order.information.get", 2_000, 1),
    mall("pdd.order.status.get", 3_000, 60),
    total("pdd.logistics.online.send", 5_000, 1),
    total("pdd.logistics.companies.get", 1_200, 10),
    mall("pdd.voucher.voucher.info.send", 3_000, 60),
    mall("pdd.voucher.virtual.card.verification", 3_000, 60),
    mall("pdd.voucher.voucher.complain", 3_000, 60),
    total("pdd.voucher.ota.card.prepare.verification", 500, 1),
    total(OTA_VERIFICATION, 10_000, 3_600),
    mall("pdd.virtual.mobile.charge.notify", 4_950, 1),
    mall("pdd.goods.list.get", 1_000, 60),
    total("pdd.goods.list.get", 7_500, 1),
    mall("pdd.goods.detail.get", 3_000, 60),
    total("pdd.goods.quantity.update", 4_200, 1),
    app("pdd.goods.sku.price.update", 100, 1),
    total("pdd.goods.sku.price.update", 400, 1),
    total("pdd.goods.sale.status.set", 13_200, 10),
    mall("pdd.refund.list.increment.get", 100, 10),
    app("pdd.refund.list.increment.get", 500, 1),
    total("pdd.refund.list.increment.get", 5_500, 1),
    total("pdd.refund.information.get", 1_400, 1),
    mall("pdd.refund.status.check", 3_000, 60),
    mall("pdd.mall.info.get", 450, 1),
    app("pdd.open.decrypt.batch", 10_050, 10),
    Limit {
        api: "pdd.open.decrypt.batch",
        level: Level::Application,
        permits: 1,
        seconds: 10,
        outside_cloud_only: true,
    },
    total("pdd.open.decrypt.batch", 19_500, 10),
    app("pdd.open.decrypt.mask.batch", 15_000, 10),
    total("pdd.open.decrypt.mask.batch", 60_000, 10),
    app("pdd.pmc.accrue.query", 1, 1),
];
