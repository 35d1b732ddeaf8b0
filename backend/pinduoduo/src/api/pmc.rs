//! Managing the message push (protocol 8.4). The connection itself is [`crate::push`].

use chrono::{DateTime, Utc};
use kamiflow_kernel::MallId;
use serde::Deserialize;

use crate::api::{ApiMeta, InBand, Success, api};
use crate::wire;

/// `pdd.pmc.user.permit`: lets the application receive the messages of the token's mall.
#[derive(Debug, Clone, Default)]
pub struct PmcUserPermit {
    /// The topics; empty for all of the application.
    pub topics: Vec<String>,
}

/// `pdd.pmc.user.get`: whether a mall's messages are permitted.
#[derive(Debug, Clone, Copy)]
pub struct PmcUserGet {
    /// The mall.
    pub mall: MallId,
}

/// The answer of [`PmcUserGet`].
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PmcUserFound {
    /// The permission, when there is one.
    #[serde(default)]
    pub pmc_user: Option<PmcUser>,
}

/// A permission to receive a mall's messages.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PmcUser {
    /// The mall.
    #[serde(default, rename = "owner_id", deserialize_with = "wire::mall_id")]
    pub mall: Option<MallId>,
    /// When it was given.
    #[serde(default, deserialize_with = "wire::time")]
    pub created: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "wire::time")]
    pub modified: Option<DateTime<Utc>>,
    /// Whether it has expired.
    #[serde(default, rename = "is_expire", deserialize_with = "wire::flag")]
    pub expired: Option<bool>,
    /// The topics; empty means all.
    #[serde(default, deserialize_with = "wire::list")]
    pub topics: Vec<String>,
}

/// `pdd.pmc.user.cancel`: ends a mall's messages.
#[derive(Debug, Clone, Copy)]
pub struct PmcUserCancel {
    /// The mall.
    pub mall: MallId,
}

/// `pdd.pmc.accrue.query`: how many messages of the last seven days wait.
#[derive(Debug, Clone, Copy)]
pub struct PmcAccrueQuery;

/// The answer of [`PmcAccrueQuery`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct PmcBacklog {
    /// How many.
    #[serde(default, deserialize_with = "wire::int")]
    pub number: Option<i64>,
}

api!(PmcUserPermit => ApiMeta::write("pdd.pmc.user.permit", "pmc_user_permit_response"), Success,
    |this, params| { params.text("topics", &this.topics.join(",")); },
    in_band |answer: &Success| answer.in_band());
api!(PmcUserGet => ApiMeta::read("pdd.pmc.user.get", "pmc_user_get_response").without_token(), PmcUserFound,
    |this, params| { params.text("owner_id", &this.mall.to_string()); });
api!(PmcUserCancel => ApiMeta::write("pdd.pmc.user.cancel", "tmc_user_cancel_response").without_token(), Success,
    |this, params| { params.text("owner_id", &this.mall.to_string()); },
    in_band |answer: &Success| answer.in_band());
api!(PmcAccrueQuery => ApiMeta::read("pdd.pmc.accrue.query", "pmc_user_get_response").without_token(), PmcBacklog,
    |_this, _params| {},
    in_band |answer: &PmcBacklog| if answer.number.is_some() { InBand::Done } else { InBand::Unclear });
