//! Destroys what a merchant submitted, when the time to keep it is over.

use chrono::TimeDelta;
use kamiflow_kernel::VerificationId;
use kamiflow_store::audit::NewAudit;
use kamiflow_store::{StoreError, audit, verifications};
use serde::Deserialize;
use serde_json::json;
use tracing::info;

use super::KEPT;
use crate::ctx::Ctx;
use crate::engine::Engine;

/// Name of the job; its payload is `{"verification": id}`.
pub const NAME: &str = "destroy_verification.v1";

/// The job's payload.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Payload {
    verification: VerificationId,
}

/// Destroys a submission whose time is over; one that is destroyed already, or not decided, stays as it is.
///
/// # Errors
/// When the store fails.
pub async fn run(engine: &Engine, ctx: &Ctx, payload: Payload) -> Result<(), StoreError> {
    let id = payload.verification;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = verifications::lock(&mut tx, id).await?;
    if row.decided_at.is_none_or(|at| at + KEPT - TimeDelta::seconds(1) > ctx.now) {
        return Ok(());
    }
    if !verifications::update_destroyed(&mut tx, id, ctx.now).await? {
        return Ok(());
    }
    let (actor, target) = (ctx.actor.name(), id.to_string());
    let act = NewAudit {
        actor: &actor,
        action: "verification.destroy",
        target: &target,
        request_id: &ctx.request_id,
        ip: ctx.actor.ip_prefix(),
        detail: json!({}),
        at: ctx.now,
    };
    audit::insert(&mut tx, &act).await?;
    tx.commit().await?;
    info!("Destroyed what was submitted for verification `{id}`");
    Ok(())
}
