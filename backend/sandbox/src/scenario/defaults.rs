//! Default values of a scenario, and the scenario of `kamiflow demo`.

use super::{
    Application, ApplicationState, Buyers, ClockMode, FixedToken, Goods, IdsAs, Limits, Logistics, Mall, Ota, Pmc,
    Refunds, Scenario, Sku, Store, VoucherRepeat, VoucherSend, VoucherStatus,
};

const TEN_YEARS_S: i64 = 10 * 365 * 86_400;

pub(super) fn application_type() -> String {
    "商家后台系统".to_owned()
}

pub(super) const fn test_daily_quota() -> u64 {
    1000
}

pub(super) const fn token_lifetime_s() -> i64 {
    86_400
}

pub(super) const fn goods_type() -> i64 {
    1
}

pub(super) const fn yes() -> bool {
    true
}

pub(super) const fn one() -> i64 {
    1
}

pub(super) const fn valid_days() -> i64 {
    30
}

pub(super) const fn weight() -> u32 {
    1
}

pub(super) const fn price_fen() -> i64 {
    990
}

pub(super) const fn quantity() -> i64 {
    100_000
}

impl Default for Limits {
    fn default() -> Self {
        Self { enabled: true, factor: 1.0 }
    }
}

impl Default for VoucherSend {
    fn default() -> Self {
        Self { repeat: VoucherRepeat::Idempotent, status: VoucherStatus::Moves, refuses_unshippable: true }
    }
}

impl Default for Logistics {
    fn default() -> Self {
        Self { accepts_999: true, auto_receive_s: 15 * 86_400 }
    }
}

impl Default for Ota {
    fn default() -> Self {
        Self { in_card_info_list: true, in_progress_probability: 0.0, in_progress_ms: 2_000, busy_probability: 0.0 }
    }
}

impl Default for Refunds {
    fn default() -> Self {
        Self { pays_after_ms: 2_000 }
    }
}

impl Default for Pmc {
    fn default() -> Self {
        Self {
            redelivery_factor: 1.0,
            duplicate_probability: 0.0,
            disorder_probability: 0.0,
            disorder_ms: 500,
            idle_timeout_s: 180,
            requires_permit: true,
        }
    }
}

impl Default for Buyers {
    fn default() -> Self {
        Self {
            orders_per_minute: 0.0,
            max_orders: None,
            quantities: vec![1],
            receives_after_s: None,
            refund_before_probability: 0.0,
            refund_after_probability: 0.0,
            refund_after_s: 1.0,
            risk_probability: 0.0,
            risk_lifted_after_s: 5.0,
        }
    }
}

impl Default for Scenario {
    /// Returns one application and one mall with every kind of goods, and no buyers.
    fn default() -> Self {
        Self {
            clock: ClockMode::Real,
            ids_as: IdsAs::String,
            latency_ms: 0,
            limits: Limits::default(),
            voucher_send: VoucherSend::default(),
            logistics: Logistics::default(),
            ota: Ota::default(),
            refunds: Refunds::default(),
            pmc: Pmc::default(),
            buyers: Buyers::default(),
            applications: vec![application()],
            malls: vec![mall(1)],
            faults: Vec::new(),
        }
    }
}

impl Scenario {
    /// Returns a scenario with `shops` malls of mixed goods whose buyers order by themselves.
    ///
    /// Mall `n` (from 1) has id `100000000 + n` and the token `sandbox-token-<n, 4 digits>` of
    /// application `sandbox-client`.
    #[must_use]
    pub fn demo(shops: usize) -> Self {
        let buyers = Buyers {
            orders_per_minute: 60.0,
            quantities: vec![1, 1, 1, 2, 3],
            receives_after_s: Some(5.0),
            refund_before_probability: 0.02,
            refund_after_probability: 0.02,
            ..Buyers::default()
        };
        let count = u64::try_from(shops).unwrap_or(u64::MAX);
        Self { malls: (1..=count).map(mall).collect(), buyers, ..Self::default() }
    }
}

fn application() -> Application {
    Application {
        client_id: "sandbox-client".to_owned(),
        client_secret: "sandbox-secret-0001".to_owned(),
        application_type: application_type(),
        packages: None,
        state: ApplicationState::Online,
        test_daily_quota: test_daily_quota(),
        max_malls: None,
        refresh_extends: false,
        token_lifetime_s: token_lifetime_s(),
        refresh_lifetime_s: token_lifetime_s(),
        redirect_uris: Vec::new(),
        ip_allow: Vec::new(),
        topics: Vec::new(),
    }
}

fn mall(number: u64) -> Mall {
    let kinds: [(&str, i64, i64, &str); 6] = [
        ("会员月卡", 1, 0, "VOUCHER"),
        ("商家卡券", 15, 0, "POOL"),
        ("平台卡券", 19, 0, "OTA"),
        ("话费充值", 6, 0, "CHARGE"),
        ("自助提卡", 1, 0, "PICKUP"),
        ("实物赠品", 1, 1, "PHYSICAL"),
    ];
    let goods = (1_u64..).zip(kinds).map(|(index, (name, goods_type, delivery_type, code))| Goods {
        goods_id: 2_000_000_000 + number * 100 + index,
        name: name.to_owned(),
        goods_type,
        delivery_type,
        outer_goods_id: code.to_owned(),
        cat_id: 8929,
        is_onsale: true,
        ota_uses: 1,
        valid_days: valid_days(),
        weight: weight(),
        skus: vec![Sku {
            sku_id: 50_000_000_000 + number * 100 + index,
            spec: "标准".to_owned(),
            outer_id: format!("{code}-STD"),
            price_fen: price_fen(),
            single_price_fen: None,
            quantity: quantity(),
            cards: Vec::new(),
        }],
    });
    Mall {
        mall_id: 100_000_000 + number,
        name: format!("演练店{number}"),
        tokens: vec![FixedToken {
            client_id: "sandbox-client".to_owned(),
            access_token: format!("sandbox-token-{number:04}"),
            refresh_token: Some(format!("sandbox-refresh-{number:04}")),
            expires_in: Some(TEN_YEARS_S),
            pmc_permitted: true,
        }],
        stores: vec![Store {
            store_id: 9000 + number,
            store_name: "总店".to_owned(),
            store_number: format!("S{number:03}"),
            province: "上海市".to_owned(),
            city: "上海市".to_owned(),
            district: "长宁区".to_owned(),
            address: "示例路 1 号".to_owned(),
        }],
        goods: goods.collect(),
        orders: Vec::new(),
        buyers: None,
    }
}
