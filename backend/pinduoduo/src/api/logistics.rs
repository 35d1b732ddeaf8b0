//! Carriers and shipment (protocol 4.4).

use kamiflow_kernel::OrderSn;
use serde::Deserialize;

use crate::api::{ApiMeta, Success, api};
use crate::wire;

/// `pdd.logistics.companies.get`: the carriers.
#[derive(Debug, Clone, Copy)]
pub struct LogisticsCompaniesGet;

/// The answer of [`LogisticsCompaniesGet`].
#[derive(Debug, Clone, Deserialize)]
pub struct LogisticsCompanies {
    /// The carriers.
    #[serde(default, deserialize_with = "wire::list")]
    pub logistics_companies: Vec<LogisticsCompany>,
}

/// A carrier.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogisticsCompany {
    /// The platform's number.
    #[serde(default, deserialize_with = "wire::int")]
    pub id: Option<i64>,
    /// The name.
    #[serde(default, rename = "logistics_company", deserialize_with = "wire::text")]
    pub name: Option<String>,
    /// The short code.
    #[serde(default, deserialize_with = "wire::text")]
    pub code: Option<String>,
    /// Whether shipments may name it.
    #[serde(default, deserialize_with = "wire::flag")]
    pub available: Option<bool>,
}

/// `pdd.logistics.online.send`: declares an order shipped.
///
/// Nothing documents how an order without logistics is declared shipped; carrier 999 was seen on one such
/// order and is configuration, not knowledge.
#[derive(Debug, Clone)]
pub struct LogisticsOnlineSend {
    /// The order.
    pub order_sn: OrderSn,
    /// The carrier.
    pub logistics_id: i64,
    /// The tracking number; left out when empty.
    pub tracking_number: String,
    /// Whether this is the first shipment or a correction.
    pub redelivery: Option<Redelivery>,
}

/// What a shipment call does to an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Redelivery {
    /// First shipment, the platform's default; only for orders to ship.
    First,
    /// Correction; only for shipped orders.
    Modify,
}

api!(LogisticsCompaniesGet =>
    ApiMeta::read("pdd.logistics.companies.get", "logistics_companies_get_response").without_token(),
    LogisticsCompanies, |_this, _params| {});
api!(LogisticsOnlineSend => ApiMeta::write("pdd.logistics.online.send", "logistics_online_send_response"), Success,
    |this, params| {
        params.text("order_sn", this.order_sn.as_str()).number("logistics_id", this.logistics_id);
        params.text("tracking_number", &this.tracking_number);
        params.maybe_number("redelivery_type", this.redelivery.map(|redelivery| match redelivery {
            Redelivery::First => 1i64,
            Redelivery::Modify => 2,
        }));
    }, in_band |answer: &Success| answer.in_band());
