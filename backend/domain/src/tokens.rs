//! What a caller does when the platform says that a token is dead: reads it again, refreshes it once, or stops.
//!
//! A token may look dead because another process has refreshed it meanwhile. So the order is: a newer version in the
//! store → try again with it; else one refresh for this version in the whole service ([`refresh_token`]); else the shop
//! stops with its reason, its owner is told, and its watermarks stay where they are until the owner authorizes anew.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ReasonCode, ShopId, ShopState};
use kamiflow_store::exceptions::NewException;
use kamiflow_store::shops::ShopChange;
use kamiflow_store::{StoreError, TenantTx, credentials, exceptions, shops};
use serde_json::json;
use tracing::warn;

use crate::ctx::Ctx;
use crate::engine::Engine;
use crate::notices::{self, Notice};
use crate::refresh_token::{self, Refresh};
use crate::shop_access::{self, Shop};

/// What to do after a token was refused.
#[derive(Debug)]
pub enum Recovery {
    /// Once more, with these tokens; should they be refused too, call again with their version.
    RetryWith(Box<Shop>),
    /// Somebody is refreshing, or the platform could not: not before this moment.
    Later(DateTime<Utc>),
    /// The shop has stopped.
    Stopped,
}

/// Finds out what to do about a token that the platform refused.
///
/// # Errors
/// When the store fails.
pub async fn recover(engine: &Engine, ctx: &Ctx, shop: ShopId, used_version: i64) -> Result<Recovery, StoreError> {
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let opened = shop_access::open(&tx, shop).await?;
    tx.commit().await?;
    if opened.access.token_version > used_version {
        return Ok(Recovery::RetryWith(Box::new(opened)));
    }
    match refresh_token::refresh(engine, ctx, shop, used_version).await? {
        Refresh::Newer => {
            let tx = engine.store.tenant_tx(ctx.merchant).await?;
            let opened = shop_access::open(&tx, shop).await?;
            tx.commit().await?;
            Ok(Recovery::RetryWith(Box::new(opened)))
        }
        Refresh::Later(at) => Ok(Recovery::Later(at)),
        Refresh::Refused => stop_for_good(engine, ctx, shop, used_version).await,
    }
}

async fn stop_for_good(engine: &Engine, ctx: &Ctx, shop: ShopId, version: i64) -> Result<Recovery, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if !credentials::update_dead(&mut tx, shop, version, "refused by the platform").await? {
        // Authorized anew while we were at it.
        let opened = shop_access::open(&tx, shop).await?;
        tx.commit().await?;
        return Ok(Recovery::RetryWith(Box::new(opened)));
    }
    stop(&mut tx, ctx.now, shop, ReasonCode::ReauthorizationNeeded).await?;
    tx.commit().await?;
    warn!(shop.id = %shop, "Stopped shop `{shop}`: its owner must authorize it anew");
    Ok(Recovery::Stopped)
}

/// Stops a shop with a reason, asks for a person and tells the owner; a shop that is stopped already stays so. One that waits
/// for a verification goes on waiting for that, whatever else it lacks: only an approval lets it go on.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop that is disconnected, or another merchant's.
pub async fn stop(tx: &mut TenantTx, now: DateTime<Utc>, shop: ShopId, reason: ReasonCode) -> Result<(), StoreError> {
    let row = shops::lock(tx, shop).await?;
    if row.stop_reason.as_deref() == Some(reason.as_str()) {
        return Ok(());
    }
    let waits_for_approval = row.stop_reason.as_deref() == Some(ReasonCode::VerificationNeeded.as_str());
    if waits_for_approval && row.state == ShopState::Stopped {
        return need_person(tx, shop, reason).await;
    }
    stop_for_another_reason(tx, now, (shop, reason)).await?;
    need_person(tx, shop, reason).await
}

/// Says why a shop stands still, and tells the owner.
pub(crate) async fn stop_for_another_reason(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    (shop, reason): (ShopId, ReasonCode),
) -> Result<(), StoreError> {
    shops::update_state(tx, shop, &ShopChange::Stop { reason: reason.as_str() }).await?;
    notices::tell(tx, now, &Notice::ShopStopped { shop, reason }).await
}

/// Opens the shop's exception.
pub(crate) async fn need_person(tx: &mut TenantTx, shop: ShopId, code: ReasonCode) -> Result<(), StoreError> {
    let exception = NewException { shop, order: None, code, needs_review: true, detail: json!({}) };
    exceptions::open(tx, &[exception]).await.map(|_new| ())
}
