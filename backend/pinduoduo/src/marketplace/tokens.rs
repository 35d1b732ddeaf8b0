//! Tokens in the port's words.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::marketplace::{ErrorClass, MarketError, TokenLevels, Tokens};
use kamiflow_kernel::{MallId, SecretText};

use super::errors::refused;
use crate::api::token::TokenGrant;

/// Reads a grant received at `now`.
///
/// The old token may be dead from here on, so whatever can be kept is kept: only a grant without a token or without
/// any word about its end is refused, and then as an unknown outcome.
pub(super) fn granted(api: &str, grant: TokenGrant, now: DateTime<Utc>) -> Result<Tokens, MarketError> {
    let unclear = |field: &str| {
        refused(api, ErrorClass::OutcomeUnknown, &format!("the platform granted tokens without a usable `{field}`"))
    };
    let after = |seconds: Option<i64>| seconds.and_then(TimeDelta::try_seconds).map(|left| now + left);
    let expires_at = grant.expires_at.or_else(|| after(grant.expires_in)).ok_or_else(|| unclear("expires_at"))?;
    let refresh_ends = grant.refresh_token_expires_at.or_else(|| after(grant.refresh_token_expires_in));
    Ok(Tokens {
        access_token: grant.access_token.ok_or_else(|| unclear("access_token"))?,
        refresh_token: grant.refresh_token.unwrap_or_else(|| SecretText::new(String::new())),
        expires_at,
        // Told by nobody, it cannot be relied on beyond the access token.
        refresh_expires_at: refresh_ends.unwrap_or(expires_at),
        mall: grant.mall.unwrap_or(MallId(0)),
        owner_name: grant.owner_name.unwrap_or_default(),
        scopes: grant.scope,
        levels: TokenLevels {
            r1: grant.r1_expires_at,
            r2: grant.r2_expires_at,
            w1: grant.w1_expires_at,
            w2: grant.w2_expires_at,
        },
    })
}
