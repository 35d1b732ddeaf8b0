//! What the demo's two shops sell: one product per way of delivery, one that is physical, one that nobody mapped.

use kamiflow_kernel::{DeliveryMethod, RedemptionMethod};
use kamiflow_sandbox::Scenario;
use kamiflow_sandbox::scenario::{Buyers, Refunds};

/// How many shops.
pub(super) const SHOPS: usize = 2;
/// The sandbox's application.
pub(super) const CLIENT_ID: &str = "sandbox-client";
pub(super) const CLIENT_SECRET: &str = "sandbox-secret-0001";

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Good {
    /// Attached to the order by us.
    Voucher,
    /// Imported ahead, handed out by the platform, reported as used.
    Pool,
    /// Codes the platform makes.
    PlatformCodes,
    /// Charged by a fulfiller.
    Charge,
    /// Read by the buyer on our page.
    Pickup,
    /// Sent by post: not ours.
    Physical,
    /// New in the shop; nobody has said what to do with it.
    Unmapped,
}

impl Good {
    /// Every product; the number within a shop is the place here, from 1, as in [`Scenario::demo`].
    pub(super) const ALL: [Self; 7] =
        [Self::Voucher, Self::Pool, Self::PlatformCodes, Self::Charge, Self::Pickup, Self::Physical, Self::Unmapped];

    /// Returns the number within a shop.
    fn number(self) -> i64 {
        Self::ALL.into_iter().zip(1..).find(|(good, _)| *good == self).map_or(0, |(_, number)| number)
    }

    /// Returns the platform's number of its SKU in a shop.
    pub(super) fn sku_id(self, shop: i64) -> i64 {
        50_000_000_000 + shop * 100 + self.number()
    }

    /// Returns the product of a SKU number.
    pub(super) fn of_sku(sku_id: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|good| sku_id % 100 == good.number())
    }

    /// Returns how it is handed over and declared used; none for products without a mapping.
    pub(super) const fn handling(self) -> Option<(DeliveryMethod, RedemptionMethod)> {
        use DeliveryMethod as D;
        use RedemptionMethod as R;
        Some(match self {
            Self::Voucher => (D::VoucherSend, R::None),
            Self::Pool => (D::PlatformPool, R::ReportCard),
            // Declaring these used needs the code, which only the buyer can show.
            Self::PlatformCodes => (D::PlatformCodes, R::None),
            Self::Charge => (D::ChargeNotify, R::None),
            Self::Pickup => (D::PickupPage, R::None),
            Self::Physical | Self::Unmapped => return None,
        })
    }

    /// Returns the name of the card pool it draws from.
    pub(super) const fn pool(self) -> Option<&'static str> {
        match self {
            Self::Voucher => Some("会员月卡"),
            Self::Pool => Some("商家卡券"),
            Self::Pickup => Some("自助提卡"),
            Self::PlatformCodes | Self::Charge | Self::Physical | Self::Unmapped => None,
        }
    }
}

/// Returns the number of a shop's mall.
pub(super) const fn mall_id(shop: i64) -> i64 {
    100_000_000 + shop
}

/// Returns the numbers of the shops, from 1.
pub(super) fn shops() -> impl Iterator<Item = i64> {
    (1..).take(SHOPS)
}

/// Returns the sandbox's scenario: its demo, whose buyers are ours, with one product more.
pub(super) fn scenario() -> Scenario {
    let mut scenario = Scenario::demo(SHOPS);
    scenario.buyers = Buyers::default();
    scenario.refunds = Refunds { pays_after_ms: 500 };
    for mall in &mut scenario.malls {
        // Shops are connected by the authorization page, like real ones.
        mall.tokens.clear();
        let Some(mut goods) = mall.goods.first().cloned() else { continue };
        let extra = u64::try_from(Good::Unmapped.number()).unwrap_or_default();
        goods.goods_id = goods.goods_id - 1 + extra;
        "新品（未配置）".clone_into(&mut goods.name);
        "NEW".clone_into(&mut goods.outer_goods_id);
        for sku in &mut goods.skus {
            sku.sku_id = sku.sku_id - 1 + extra;
            "NEW-STD".clone_into(&mut sku.outer_id);
        }
        mall.goods.push(goods);
    }
    scenario
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scenario_sells_every_product_under_its_number() {
        let scenario = scenario();
        for (shop, mall) in shops().zip(&scenario.malls) {
            assert_eq!(u64::try_from(mall_id(shop)).unwrap(), mall.mall_id);
            let skus: Vec<i64> = mall.goods.iter().map(|goods| i64::try_from(goods.skus[0].sku_id).unwrap()).collect();
            assert_eq!(skus, Good::ALL.map(|good| good.sku_id(shop)));
            assert_eq!(Good::of_sku(skus[6]), Some(Good::Unmapped));
        }
    }
}
