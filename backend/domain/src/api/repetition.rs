//! Makes a write that is sent twice one write: the second is given the answer of the first.
//!
//! A row with the sender's key is committed before the write begins and gets the answer when it has ended. Every write of
//! the API is harmless to do twice (an import is found again by its own key, the others change nothing the second time),
//! so a write whose answer was lost with its process may be done again once nobody can be doing it any more; the key is
//! what makes the answer the same, and keeps two at once apart.

use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{ApiTokenId, SecretText};
use kamiflow_store::api_requests::{self, ApiRequestRow, KeptAnswer, RequestKey};
use kamiflow_store::{StoreError, TenantTx};
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::engine::Engine;

/// How long an answer is kept.
pub const KEPT: TimeDelta = TimeDelta::hours(24);
/// After so long nobody is doing it any more: the server gives a request half as long.
const GIVEN_UP: TimeDelta = TimeDelta::seconds(60);
/// The longest key.
const LONGEST: usize = 255;

/// A key that a sender chose for one write: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// A text that is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key has 1 to 255 visible ASCII characters")]
pub struct BadKey;

impl FromStr for IdempotencyKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        let is_key = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_key { Ok(Self(text.to_owned())) } else { Err(BadKey) }
    }
}

impl IdempotencyKey {
    /// Returns the key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An answer, as it was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// What it is.
    pub content_type: String,
    /// The answer; no secret.
    pub body: Vec<u8>,
}

/// A write that nobody else is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Underway {
    token: ApiTokenId,
    key: IdempotencyKey,
    began_at: DateTime<Utc>,
}

/// What is known of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Nothing: go on, and tell the answer to [`end`].
    First(Underway),
    /// It was done: this was the answer.
    Again(Answer),
}

/// Why a write is not begun.
#[derive(Debug, thiserror::Error)]
pub enum BeginError {
    /// The key was used for something else.
    #[error("the key was used for another request")]
    OtherRequest,
    /// Another request with this key is under way.
    #[error("another request with this key is under way")]
    Underway,
    /// Only tokens have keys.
    #[error("only a token of the API chooses a key")]
    NoToken,
    /// The store failed.
    #[error("the key could not be stored")]
    Store(#[from] StoreError),
}

/// Returns what is kept of a request to know it again.
///
/// The token itself is hashed in front: it is nowhere in the database, so who reads that cannot try what a body said.
#[must_use]
pub fn request_hash(token: &SecretText, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(token.expose().as_bytes());
    for part in parts {
        // With its length, so that no two requests run together into one text.
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

/// Begins a write under a key, or says what became of it.
///
/// # Errors
/// See [`BeginError`].
pub async fn begin(engine: &Engine, ctx: &Ctx, key: IdempotencyKey, hash: &[u8; 32]) -> Result<Begun, BeginError> {
    let token = ctx.api_caller().ok_or(BeginError::NoToken)?.token;
    let request = RequestKey { token, key: key.as_str() };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let begun = match take(&mut tx, ctx, request, hash).await? {
        Some(answer) => Begun::Again(answer),
        None => Begun::First(Underway { token, key, began_at: ctx.now }),
    };
    tx.commit().await?;
    Ok(begun)
}

async fn take(
    tx: &mut TenantTx,
    ctx: &Ctx,
    request: RequestKey<'_>,
    hash: &[u8; 32],
) -> Result<Option<Answer>, BeginError> {
    if api_requests::insert(tx, request, hash, ctx.now).await? {
        api_requests::delete_old(tx, request.token, ctx.now - KEPT).await?;
        return Ok(None);
    }
    // Forgotten between the two statements: whoever forgot it is another request of this key.
    let row = api_requests::lock(tx, request).await?.ok_or(BeginError::Underway)?;
    let age = ctx.now - row.began_at;
    if age < KEPT {
        if row.request_hash != hash {
            return Err(BeginError::OtherRequest);
        }
        if let Some(answer) = answer(row)? {
            return Ok(Some(answer));
        }
        if age < GIVEN_UP {
            return Err(BeginError::Underway);
        }
    }
    api_requests::update_begun(tx, request, hash, ctx.now).await?;
    Ok(None)
}

fn answer(row: ApiRequestRow) -> Result<Option<Answer>, StoreError> {
    let (Some(status), Some(content_type), Some(body)) = (row.status, row.content_type, row.body) else {
        return Ok(None);
    };
    let status = u16::try_from(status).map_err(|_negative| StoreError::Corrupt(format!("status {status}")))?;
    Ok(Some(Answer { status, content_type, body }))
}

/// Keeps the answer of a write; one that failed inside of us is forgotten, so that it may be sent again at once.
///
/// # Errors
/// When the store fails.
pub async fn end(engine: &Engine, ctx: &Ctx, underway: &Underway, answer: &Answer) -> Result<(), StoreError> {
    let request = RequestKey { token: underway.token, key: underway.key.as_str() };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    match i16::try_from(answer.status).ok().filter(|status| (200..500).contains(status)) {
        Some(status) => {
            let kept = KeptAnswer { status, content_type: &answer.content_type, body: &answer.body };
            api_requests::update_answered(&mut tx, request, underway.began_at, &kept).await?;
        }
        None => api_requests::delete(&mut tx, request, underway.began_at).await?,
    }
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_differ_by_token_part_and_where_a_part_ends() {
        let hash = |token: &str, parts: &[&str]| {
            let parts: Vec<&[u8]> = parts.iter().map(|part| part.as_bytes()).collect();
            request_hash(&token.into(), &parts)
        };
        assert_eq!(hash("t", &["a", "b"]), hash("t", &["a", "b"]));
        for other in [hash("u", &["a", "b"]), hash("t", &["ab", ""]), hash("t", &["a", "c"])] {
            assert_ne!(hash("t", &["a", "b"]), other);
        }
    }

    #[test]
    fn a_key_is_visible_and_not_too_long() {
        for good in ["a", "7b2c-4f:x/y", &"k".repeat(LONGEST)] {
            assert_eq!(good.parse::<IdempotencyKey>().unwrap().as_str(), good);
        }
        for bad in ["", " ", "a b", "ключ", "a\n", &"k".repeat(LONGEST + 1)] {
            assert_eq!(bad.parse::<IdempotencyKey>(), Err(BadKey), "{bad:?}");
        }
    }
}
