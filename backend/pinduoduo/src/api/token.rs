//! Access tokens (protocol 2.2). Use the answer's `expires_at`, never a constant.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{MallId, SecretText};
use serde::Deserialize;

use crate::api::{ApiMeta, InBand, api};
use crate::wire;

/// `pdd.pop.auth.token.create`: trades the code of the authorization page for tokens. A code works once.
#[derive(Debug, Clone)]
pub struct TokenCreate {
    /// The code, valid for ten minutes.
    pub code: SecretText,
}

/// `pdd.pop.auth.token.refresh`: does not promise a later expiry.
#[derive(Debug, Clone)]
pub struct TokenRefresh {
    /// The refresh token.
    pub refresh_token: SecretText,
}

/// Tokens of one mall.
#[derive(Debug, Clone, Deserialize)]
pub struct TokenGrant {
    /// The access token; present in every grant this client hands out.
    #[serde(default, deserialize_with = "wire::secret")]
    pub access_token: Option<SecretText>,
    /// The refresh token.
    #[serde(default, deserialize_with = "wire::secret")]
    pub refresh_token: Option<SecretText>,
    /// When the access token expires.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub expires_at: Option<DateTime<Utc>>,
    /// Seconds until then, for answers without `expires_at`.
    #[serde(default, deserialize_with = "wire::int")]
    pub expires_in: Option<i64>,
    /// When the refresh token expires.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub refresh_token_expires_at: Option<DateTime<Utc>>,
    /// Seconds until then.
    #[serde(default, deserialize_with = "wire::int")]
    pub refresh_token_expires_in: Option<i64>,
    /// The mall.
    #[serde(default, rename = "owner_id", deserialize_with = "wire::mall_id")]
    pub mall: Option<MallId>,
    /// The merchant's account name.
    #[serde(default, deserialize_with = "wire::text")]
    pub owner_name: Option<String>,
    /// The APIs the token may call.
    #[serde(default, deserialize_with = "wire::list")]
    pub scope: Vec<String>,
    /// When permission level read 1 ends.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub r1_expires_at: Option<DateTime<Utc>>,
    /// When permission level read 2 ends.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub r2_expires_at: Option<DateTime<Utc>>,
    /// When permission level write 1 ends.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub w1_expires_at: Option<DateTime<Utc>>,
    /// When permission level write 2 ends.
    #[serde(default, deserialize_with = "wire::seconds")]
    pub w2_expires_at: Option<DateTime<Utc>>,
}

fn granted(grant: &TokenGrant) -> InBand {
    if grant.access_token.is_some() { InBand::Done } else { InBand::Unclear }
}

api!(TokenCreate => ApiMeta::write("pdd.pop.auth.token.create", "pop_auth_token_create_response").without_token(),
    TokenGrant, |this, params| { params.text("code", this.code.expose()); }, in_band granted);
api!(TokenRefresh => ApiMeta::write("pdd.pop.auth.token.refresh", "pop_auth_token_refresh_response").without_token(),
    TokenGrant, |this, params| { params.text("refresh_token", this.refresh_token.expose()); }, in_band granted);
