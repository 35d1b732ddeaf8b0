//! The APIs of the gateway: response key, token, permission packages, limits and handler of each.

use serde::{Deserialize, Serialize};

use crate::{
    apis::{Call, cards, goods, mall, orders, push, refunds, shipping, tokens, vouchers},
    envelope::{GatewayError, Payload},
    limits::Limit,
};

/// Permission packages seen on captured pages. APIs whose package nobody found belong to none and
/// are open to every application.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Package {
    /// Order lists, details and status.
    #[serde(rename = "订单信息查询权限包")]
    OrderQuery,
    /// Refunds.
    #[serde(rename = "售后管理权限包")]
    AfterSales,
    /// Goods lists and details.
    #[serde(rename = "商品查询")]
    GoodsQuery,
    /// Price, stock and sale state.
    #[serde(rename = "商品编辑")]
    GoodsEdit,
    /// OTA redemption for 商家后台系统.
    #[serde(rename = "卡券商工具权限包")]
    CardMerchant,
    /// OTA redemption for 电子凭证商家后台系统.
    #[serde(rename = "电子凭证权限包")]
    ElectronicVoucher,
}

impl Package {
    const ALL: [Self; 6] = [
        Self::OrderQuery,
        Self::AfterSales,
        Self::GoodsQuery,
        Self::GoodsEdit,
        Self::CardMerchant,
        Self::ElectronicVoucher,
    ];

    /// Returns the package's official name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::OrderQuery => "订单信息查询权限包",
            Self::AfterSales => "售后管理权限包",
            Self::GoodsQuery => "商品查询",
            Self::GoodsEdit => "商品编辑",
            Self::CardMerchant => "卡券商工具权限包",
            Self::ElectronicVoucher => "电子凭证权限包",
        }
    }

    /// Returns whether applications of a type may hold the package.
    #[must_use]
    pub fn held_by(self, application_type: &str) -> bool {
        match self {
            Self::CardMerchant => application_type == "商家后台系统",
            Self::ElectronicVoucher => application_type == "电子凭证商家后台系统",
            Self::GoodsEdit => !["打单", "订单处理"].contains(&application_type),
            Self::OrderQuery | Self::AfterSales | Self::GoodsQuery => true,
        }
    }

    /// Returns every package a type may hold.
    pub(crate) fn all_of(application_type: &str) -> Vec<Self> {
        Self::ALL.into_iter().filter(|package| package.held_by(application_type)).collect()
    }
}

/// One API.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) name: &'static str,
    /// Response key; empty where the payload has no wrapper.
    pub(crate) key: &'static str,
    pub(crate) needs_token: bool,
    /// Packages that contain it, any of which suffices; none means open to all.
    pub(crate) packages: &'static [Package],
    pub(crate) per_mall: Option<Limit>,
    pub(crate) per_application: Option<Limit>,
    pub(crate) total: Option<Limit>,
    pub(crate) handler: fn(&Call<'_>) -> Result<Payload, GatewayError>,
}

impl Api {
    const fn new(
        name: &'static str,
        key: &'static str,
        handler: fn(&Call<'_>) -> Result<Payload, GatewayError>,
    ) -> Self {
        Self {
            name,
            key,
            needs_token: true,
            packages: &[],
            per_mall: None,
            per_application: None,
            total: None,
            handler,
        }
    }

    const fn open(mut self) -> Self {
        self.needs_token = false;
        self
    }

    const fn within(mut self, packages: &'static [Package]) -> Self {
        self.packages = packages;
        self
    }

    const fn mall(mut self, calls: u32, window_s: i64) -> Self {
        self.per_mall = Some(Limit { calls, window_s });
        self
    }

    const fn application(mut self, calls: u32, window_s: i64) -> Self {
        self.per_application = Some(Limit { calls, window_s });
        self
    }

    const fn total(mut self, calls: u32, window_s: i64) -> Self {
        self.total = Some(Limit { calls, window_s });
        self
    }

    /// Returns whether an application with `held` packages may call it.
    pub(crate) fn permitted_by(&self, held: &[Package]) -> bool {
        self.packages.is_empty() || self.packages.iter().any(|package| held.contains(package))
    }
}

const ORDERS: &[Package] = &[Package::OrderQuery];
const AFTER_SALES: &[Package] = &[Package::AfterSales];
const GOODS: &[Package] = &[Package::GoodsQuery];
const EDIT: &[Package] = &[Package::GoodsEdit];
const OTA: &[Package] = &[Package::CardMerchant, Package::ElectronicVoucher];

/// How many APIs the sandbox answers.
pub(crate) const API_COUNT: usize = 43;

/// Every API the sandbox answers, sorted by name.
#[rustfmt::skip]
pub(crate) static APIS: [Api; API_COUNT] = [
    Api::new("pdd.goods.detail.get", "goods_detail_get_response", goods::detail).within(GOODS).mall(3000, 60),
    Api::new("pdd.goods.information.get", "goods_info_get_response", goods::information).within(GOODS),
    Api::new("pdd.goods.list.get", "goods_list_get_response", goods::list).within(GOODS).mall(1000, 60).total(7500, 1),
    Api::new("pdd.goods.quantity.update", "goods_quantity_update_response", goods::update_quantity).within(EDIT).total(4200, 1),
    Api::new("pdd.goods.sale.status.set", "goods_sale_status_set_response", goods::set_sale_status).within(EDIT).total(13_200, 10),
    Api::new("pdd.goods.sku.price.update", "goods_update_sku_price_response", goods::update_price).within(EDIT).application(100, 1).total(400, 1),
    Api::new("pdd.goods.skus.get", "goods_sku_get_response", goods::sku).within(GOODS),
    Api::new("pdd.logistics.companies.get", "logistics_companies_get_response", shipping::companies).open().total(1200, 10),
    Api::new("pdd.logistics.online.send", "logistics_online_send_response", shipping::send).total(5000, 1),
    Api::new("pdd.mall.info.get", "mall_info_get_response", mall::info).mall(450, 1),
    Api::new("pdd.mall.info.store.get", "res", mall::stores),
    Api::new("pdd.open.decrypt.batch", "open_decrypt_batch_response", cards::decrypt).application(10_050, 10).total(19_500, 10),
    Api::new("pdd.open.decrypt.mask.batch", "open_decrypt_mask_batch_response", cards::decrypt_masked).application(15_000, 10).total(60_000, 10),
    Api::new("pdd.order.basic.list.get", "order_basic_list_get_response", orders::basic_list).within(ORDERS),
    Api::new("pdd.order.information.get", "order_info_get_response", orders::information).within(ORDERS).mall(30_000, 60).total(2000, 1),
    Api::new("pdd.order.list.get", "order_list_get_response", orders::list).within(ORDERS).mall(10_000, 60).total(17_500, 10),
    Api::new("pdd.order.note.update", "response", orders::update_note).within(ORDERS),
    Api::new("pdd.order.number.list.increment.get", "order_sn_increment_get_response", orders::increment).within(ORDERS).mall(3000, 60),
    Api::new("pdd.order.status.get", "order_status_get_response", orders::status).within(ORDERS).mall(3000, 60),
    Api::new("pdd.order.virtual.information.get", "order_virtual_information_response", orders::virtual_information).within(ORDERS),
    Api::new("pdd.pmc.accrue.query", "pmc_user_get_response", push::backlog).open().application(1, 1),
    Api::new("pdd.pmc.user.cancel", "tmc_user_cancel_response", push::cancel).open(),
    Api::new("pdd.pmc.user.get", "pmc_user_get_response", push::user).open(),
    Api::new("pdd.pmc.user.permit", "pmc_user_permit_response", push::permit),
    Api::new("pdd.pop.auth.token.create", "pop_auth_token_create_response", tokens::create).open(),
    Api::new("pdd.pop.auth.token.refresh", "pop_auth_token_refresh_response", tokens::refresh).open(),
    Api::new("pdd.refund.agree", "response", refunds::agree).within(AFTER_SALES),
    Api::new("pdd.refund.information.get", "", refunds::information).within(AFTER_SALES).total(1400, 1),
    Api::new("pdd.refund.list.increment.get", "refund_increment_get_response", refunds::increment).within(AFTER_SALES).mall(100, 10).application(500, 1).total(5500, 1),
    Api::new("pdd.refund.returngoods.agree", "response", refunds::agree_return).within(AFTER_SALES),
    Api::new("pdd.refund.status.check", "refund_status_check_response", refunds::status_check).within(AFTER_SALES).mall(3000, 60),
    Api::new("pdd.time.get", "time_get_response", mall::time).open(),
    Api::new("pdd.virtual.game.server.query", "game_server_query_response", vouchers::game_servers).open(),
    Api::new("pdd.virtual.mobile.charge.notify", "mobile_charge_notify_response", vouchers::charge_notify).mall(4950, 1),
    Api::new("pdd.voucher.appointment.info.send", "voucher_appointment_info_send_response", vouchers::appointment),
    Api::new("pdd.voucher.ota.card.prepare.verification", "response", cards::ota_prepare).within(OTA).total(500, 1),
    Api::new("pdd.voucher.ota.card.verification", "voucher_ota_card_verification_response", cards::ota_verify).within(OTA).total(10_000, 3600),
    Api::new("pdd.voucher.physical.goods.send", "voucher_physical_voucher_send_response", vouchers::physical_goods),
    Api::new("pdd.voucher.realtime.verify.sync", "", vouchers::realtime_verify),
    Api::new("pdd.voucher.virtual.card.batch.add", "response", cards::batch_add),
    Api::new("pdd.voucher.virtual.card.verification", "voucher_voucher_info_verify_response", cards::report).mall(3000, 60),
    Api::new("pdd.voucher.voucher.complain", "voucher_voucher_complain_response", vouchers::complain).mall(3000, 60),
    Api::new("pdd.voucher.voucher.info.send", "voucher_voucher_info_send_response", vouchers::send).mall(3000, 60),
];

/// Returns an API and its place in the table.
pub(crate) fn find(name: &str) -> Option<(usize, &'static Api)> {
    let at = APIS.binary_search_by(|api| api.name.cmp(name)).ok()?;
    APIS.get(at).map(|api| (at, api))
}

/// Returns the error for a name that is not in the table.
///
/// Names that the platform retired are off-line; live ones the sandbox does not simulate look like
/// APIs of a package the application does not hold.
pub(crate) fn unknown(name: &str) -> GatewayError {
    const RETIRED: [&str; 2] = ["pdd.order.number.list.get", "pdd.voucher.realtime.orderno.get"];
    const LIVE: [&str; 14] = [
        "pdd.ddk.",
        "pdd.goods.",
        "pdd.kms.",
        "pdd.open.",
        "pdd.order.promise.info.get",
        "pdd.order.search.order",
        "pdd.order.specific.order.information.get",
        "pdd.oversea.",
        "pdd.rdc.pddgenius.sendgoods.cancel",
        "pdd.refund.address.list.get",
        "pdd.sim.",
        "pdd.ticket.",
        "pdd.vas.order.search",
        "pdd.warranty.orders.increment.get",
    ];
    let code = if RETIRED.contains(&name) {
        20034
    } else if LIVE.iter().any(|prefix| name.starts_with(prefix)) {
        20031
    } else {
        10017
    };
    GatewayError::gateway(code)
}
