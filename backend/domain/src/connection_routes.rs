//! Which way of connecting a mall works for what is sold there, and which APIs it takes: tables, with their reasons.
//!
//! The facts are the platform's (protocol 4.1, 4.2, 9.4). What no source says is not made up: where the platform's
//! documents name no restriction, the answer is "works", and the list of APIs that the authorization really granted
//! ([`grants`]) has the last word.

use kamiflow_kernel::DeliveryMethod;

use crate::compat::VirtualReason;

/// What is sold, in the platform's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SaleKind {
    /// 商家卡券: codes of the merchant's own, handed out by the platform.
    MerchantCards,
    /// 平台卡券: codes that the platform makes.
    PlatformCards,
    /// 直充: somebody charges the buyer's account.
    DirectCharge,
    /// 普通虚拟商品: goods without logistics.
    PlainVirtual,
}

impl SaleKind {
    /// All of them, in the order a page shows.
    pub const ALL: [Self; 4] = [Self::MerchantCards, Self::PlatformCards, Self::DirectCharge, Self::PlainVirtual];

    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MerchantCards => "merchant_cards",
            Self::PlatformCards => "platform_cards",
            Self::DirectCharge => "direct_charge",
            Self::PlainVirtual => "plain_virtual",
        }
    }

    /// Returns the kind of a stable name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// Returns what the engine calls goods of this kind.
    #[must_use]
    pub const fn goods(self) -> VirtualReason {
        match self {
            Self::MerchantCards => VirtualReason::MerchantCards,
            Self::PlatformCards => VirtualReason::PlatformCards,
            Self::DirectCharge => VirtualReason::DirectCharge,
            Self::PlainVirtual => VirtualReason::NoLogistics,
        }
    }
}

/// A way of connecting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The operator's application: one click on the platform's page.
    Hosted,
    /// The merchant's own application: her client id and secret, and then the click.
    OwnKeys,
}

/// How far a route works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Works {
    /// Delivery and redemption.
    Yes,
    /// Orders are followed; the platform delivers by itself, and nothing can be declared as used.
    WithoutRedemption,
    /// No delivery.
    No,
}

/// Why. Codes are API: add, never rename.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Because {
    /// No document restricts these APIs to a kind of application.
    NothingRestrictsIt,
    /// The APIs for redeeming platform codes are in packages of merchants' own applications only (protocol 4.2).
    OtaForOwnApplications,
    /// Charges are reported by merchants' own integrations only (protocol 4.3).
    ChargeForOwnApplications,
    /// An own application of a fitting type may hold every package there is; it takes at most five malls.
    OwnHoldsEverything,
}

impl Because {
    /// Returns the stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NothingRestrictsIt => "route.nothing_restricts_it",
            Self::OtaForOwnApplications => "route.ota_for_own_applications",
            Self::ChargeForOwnApplications => "route.charge_for_own_applications",
            Self::OwnHoldsEverything => "route.own_holds_everything",
        }
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteLine {
    /// What is sold.
    pub kind: SaleKind,
    /// The way.
    pub route: Route,
    /// How far it works.
    pub works: Works,
    /// Why.
    pub because: Because,
    /// Whether it is the one to take.
    pub recommended: bool,
}

/// Returns the line of a kind and a route.
#[must_use]
pub const fn route(kind: SaleKind, route: Route) -> RouteLine {
    let (works, because) = match (kind, route) {
        (_, Route::OwnKeys) => (Works::Yes, Because::OwnHoldsEverything),
        (SaleKind::MerchantCards | SaleKind::PlainVirtual, Route::Hosted) => (Works::Yes, Because::NothingRestrictsIt),
        (SaleKind::PlatformCards, Route::Hosted) => (Works::WithoutRedemption, Because::OtaForOwnApplications),
        (SaleKind::DirectCharge, Route::Hosted) => (Works::No, Because::ChargeForOwnApplications),
    };
    let hosted_works = matches!(kind, SaleKind::MerchantCards | SaleKind::PlainVirtual);
    let recommended = matches!(route, Route::Hosted) == hosted_works;
    RouteLine { kind, route, works, because, recommended }
}

/// What an API is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NeededFor {
    /// Reading orders, after-sales, products and the mall: nothing goes without.
    Everything,
    /// Hearing of orders at once; without it they are found by reading.
    Push,
    /// Handing over by this method.
    Delivery(DeliveryMethod),
    /// Declaring codes of this kind as used.
    Redemption(SaleKind),
    /// Telling which imported code the platform handed out.
    LinkingCodes,
}

/// Every API a shop may need.
pub const NEEDED: &[(&str, NeededFor)] = &[
    ("pdd.mall.info.get", NeededFor::Everything),
    ("pdd.order.number.list.increment.get", NeededFor::Everything),
    ("pdd.order.information.get", NeededFor::Everything),
    ("pdd.refund.list.increment.get", NeededFor::Everything),
    ("pdd.refund.status.check", NeededFor::Everything),
    ("pdd.goods.list.get", NeededFor::Everything),
    ("pdd.goods.detail.get", NeededFor::Everything),
    ("pdd.pmc.user.permit", NeededFor::Push),
    ("pdd.voucher.voucher.info.send", NeededFor::Delivery(DeliveryMethod::VoucherSend)),
    ("pdd.logistics.online.send", NeededFor::Delivery(DeliveryMethod::PickupPage)),
    ("pdd.virtual.mobile.charge.notify", NeededFor::Delivery(DeliveryMethod::ChargeNotify)),
    ("pdd.voucher.virtual.card.batch.add", NeededFor::Delivery(DeliveryMethod::PlatformPool)),
    ("pdd.open.decrypt.batch", NeededFor::LinkingCodes),
    ("pdd.open.decrypt.mask.batch", NeededFor::LinkingCodes),
    ("pdd.voucher.virtual.card.verification", NeededFor::Redemption(SaleKind::MerchantCards)),
    ("pdd.voucher.ota.card.prepare.verification", NeededFor::Redemption(SaleKind::PlatformCards)),
    ("pdd.voucher.ota.card.verification", NeededFor::Redemption(SaleKind::PlatformCards)),
    ("pdd.voucher.realtime.verify.sync", NeededFor::Redemption(SaleKind::PlainVirtual)),
];

/// A package of APIs that an application applies for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    /// The platform's name.
    pub name: &'static str,
    /// Which of [`NEEDED`] it holds.
    pub apis: &'static [&'static str],
    /// The only type of application that gets it.
    pub only_for: Option<&'static str>,
}

/// The packages whose names and contents are known (protocol 9.4). No source names the packages of the other APIs;
/// [`unpackaged`] lists those by their own names, instead of names made up here.
pub const PACKAGES: &[Package] = &[
    Package {
        name: "订单信息查询权限包",
        apis: &["pdd.order.number.list.increment.get", "pdd.order.information.get"],
        only_for: None,
    },
    Package {
        name: "售后管理权限包",
        apis: &["pdd.refund.list.increment.get", "pdd.refund.status.check"],
        only_for: None,
    },
    Package { name: "商品查询", apis: &["pdd.goods.list.get", "pdd.goods.detail.get"], only_for: None },
    Package { name: "卡券商工具权限包", apis: OTA, only_for: Some("商家后台系统") },
    Package { name: "电子凭证权限包", apis: OTA, only_for: Some("电子凭证商家后台系统") },
];

const OTA: &[&str] = &["pdd.voucher.ota.card.prepare.verification", "pdd.voucher.ota.card.verification"];

/// Returns the needed APIs of which no source says in which package they are.
pub fn unpackaged() -> impl Iterator<Item = &'static str> {
    let packaged = |api: &str| PACKAGES.iter().any(|package| package.apis.contains(&api));
    NEEDED.iter().map(|(api, _)| *api).filter(move |api| !packaged(api))
}

/// Whether an API may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Granted {
    /// The token names it.
    Yes,
    /// The token names others and not it, or the application was refused.
    Missing,
    /// The platform named nothing; it shows when it is called.
    NotTold,
}

/// The push topics to subscribe the application to (protocol 8): orders that change, and after-sales.
pub const TOPICS: &[&str] = &[
    "pdd_trade_TradeConfirmed",
    "pdd_trade_TradeRiskChanged",
    "pdd_trade_TradeSellerShip",
    "pdd_trade_TradeSuccess",
    "pdd_refund_RefundCreated",
    "pdd_refund_RefundAgreeAgreement",
    "pdd_refund_RefundClosed",
];

/// An API, and whether it may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApiGrant {
    /// The platform's name.
    pub api: &'static str,
    /// What it is needed for.
    pub needed_for: NeededFor,
    /// Whether it may be called.
    pub granted: Granted,
}

/// Returns for every API that may be needed whether a token and its application may call it.
#[must_use]
pub fn grants(scopes: &[String], denied: &[String]) -> Vec<ApiGrant> {
    let granted = |api: &str| {
        if denied.iter().any(|name| name == api) {
            return Granted::Missing;
        }
        match scopes {
            [] => Granted::NotTold,
            named if named.iter().any(|name| name == api) => Granted::Yes,
            _ => Granted::Missing,
        }
    };
    NEEDED.iter().map(|(api, needed_for)| ApiGrant { api, needed_for: *needed_for, granted: granted(api) }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compat;

    #[test]
    fn each_kind_has_one_way_to_take_and_it_works() {
        for kind in SaleKind::ALL {
            let lines = [route(kind, Route::Hosted), route(kind, Route::OwnKeys)];
            let taken: Vec<_> = lines.iter().filter(|line| line.recommended).collect();
            assert_eq!(taken.len(), 1, "{kind:?}");
            assert_eq!(taken[0].works, Works::Yes, "{kind:?}");
        }
        // What the platform reserves for merchants' own applications (protocol 4.2 and 4.3), and nothing else.
        let hosted: Vec<Works> = SaleKind::ALL.iter().map(|kind| route(*kind, Route::Hosted).works).collect();
        assert_eq!(hosted, [Works::Yes, Works::WithoutRedemption, Works::No, Works::Yes]);
    }

    #[test]
    fn every_call_that_hands_over_goods_of_a_kind_is_needed_by_name() {
        for row in compat::TABLE {
            let needed = NEEDED.iter().find(|(_, needed_for)| *needed_for == NeededFor::Delivery(row.method));
            match row.ship_call {
                Some(call) => assert_eq!(needed.map(|(api, _)| *api), Some(call), "{}", row.method),
                None => assert!(needed.is_none_or(|(api, _)| api.ends_with("batch.add")), "{}", row.method),
            }
        }
        for kind in SaleKind::ALL {
            assert!(compat::TABLE.iter().any(|row| row.serves.contains(&kind.goods())), "{kind:?}");
        }
    }

    #[test]
    fn every_needed_api_is_applied_for_by_package_or_by_name_and_nothing_else() {
        let packaged: Vec<&str> = PACKAGES.iter().flat_map(|package| package.apis).copied().collect();
        for (api, _) in NEEDED {
            assert!(packaged.contains(api) != unpackaged().any(|name| name == *api), "{api}");
        }
        assert!(packaged.iter().all(|api| NEEDED.iter().any(|(needed, _)| needed == api)));
    }

    #[test]
    fn an_api_is_missing_when_the_token_names_others_or_the_application_was_refused() {
        let of = |scopes: &[&str], denied: &[&str], api: &str| {
            let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
            let grants = grants(&owned(scopes), &owned(denied));
            assert_eq!(grants.len(), NEEDED.len());
            grants.into_iter().find(|grant| grant.api == api).unwrap().granted
        };
        let (orders, mall) = ("pdd.order.information.get", "pdd.mall.info.get");
        assert_eq!(of(&[], &[], orders), Granted::NotTold);
        assert_eq!(of(&[orders], &[], orders), Granted::Yes);
        assert_eq!(of(&[orders], &[], mall), Granted::Missing);
        assert_eq!(of(&[orders], &[orders], orders), Granted::Missing);
        assert_eq!(of(&[], &[orders], orders), Granted::Missing);
    }
}
