//! The mall, its stores, and the platform's clock (protocol 7, 4.3).

use chrono::{DateTime, Utc};
use kamiflow_kernel::MallId;
use serde::Deserialize;

use crate::api::{ApiMeta, InBand, api};
use crate::wire;

/// `pdd.time.get`: the platform's clock.
#[derive(Debug, Clone, Copy)]
pub struct TimeGet;

/// The answer of [`TimeGet`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PlatformNow {
    /// The platform's time, to the second.
    #[serde(default, deserialize_with = "wire::time")]
    pub time: Option<DateTime<Utc>>,
}

/// `pdd.mall.info.get`: the mall of the token.
#[derive(Debug, Clone, Copy)]
pub struct MallInfoGet;

/// The answer of [`MallInfoGet`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct MallInfo {
    /// The mall.
    #[serde(default, deserialize_with = "wire::mall_id")]
    pub mall_id: Option<MallId>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub mall_name: Option<String>,
    /// Address of its logo.
    #[serde(default, deserialize_with = "wire::text")]
    pub logo: Option<String>,
    /// 1 person, 2 company, 3 flagship, 4 exclusive, 5 franchise, 6 ordinary.
    #[serde(default, deserialize_with = "wire::int")]
    pub merchant_type: Option<i64>,
    /// 0 manufacturer, 1 distributor, 2 neither, 3 both.
    #[serde(default, deserialize_with = "wire::int")]
    pub mall_character: Option<i64>,
}

/// `pdd.mall.info.store.get`: the stores where OTA cards are redeemed.
#[derive(Debug, Clone, Default)]
pub struct MallStoresGet {
    /// Page, from 1.
    pub page_number: u32,
    /// Entries per page.
    pub page_size: u32,
    /// Only this store.
    pub store_id: Option<i64>,
    /// Only stores of this name.
    pub store_name: Option<String>,
}

/// The answer of [`MallStoresGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct MallStores {
    /// The stores.
    #[serde(default, rename = "mallStoreVOList", deserialize_with = "wire::list")]
    pub stores: Vec<Store>,
}

/// A store.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Store {
    /// The platform's number of the store.
    #[serde(default, deserialize_with = "wire::int")]
    pub store_id: Option<i64>,
    /// Its name.
    #[serde(default, deserialize_with = "wire::text")]
    pub store_name: Option<String>,
    /// The merchant's number of the store.
    #[serde(default, deserialize_with = "wire::text")]
    pub store_number: Option<String>,
    /// Its audit state.
    #[serde(default, deserialize_with = "wire::int")]
    pub audit_status: Option<i64>,
    /// Its mall.
    #[serde(default, deserialize_with = "wire::mall_id")]
    pub mall_id: Option<MallId>,
}

api!(TimeGet => ApiMeta::read("pdd.time.get", "time_get_response").without_token(), PlatformNow,
    |_this, _params| {},
    in_band |answer: &PlatformNow| if answer.time.is_some() { InBand::Done } else { InBand::Unclear });
api!(MallInfoGet => ApiMeta::read("pdd.mall.info.get", "mall_info_get_response"), MallInfo, |_this, _params| {});
api!(MallStoresGet => ApiMeta::read("pdd.mall.info.store.get", "res"), MallStores, |this, params| {
    params.number("page_number", this.page_number).number("page_size", this.page_size);
    params.maybe_number("store_id", this.store_id).maybe_text("store_name", this.store_name.as_deref());
});
