//! Writes acts of people into the audit log, in the transaction that does them.

use std::fmt::Display;

use kamiflow_store::audit::NewAudit;
use kamiflow_store::{StoreError, TenantTx, audit};

use crate::ctx::Ctx;

/// Records that the context's actor did something to a target.
///
/// `detail` never holds secrets, card contents or buyer data.
pub(crate) async fn record(
    tx: &mut TenantTx,
    ctx: &Ctx,
    action: &'static str,
    target: impl Display + Send,
    detail: serde_json::Value,
) -> Result<(), StoreError> {
    let (actor, target) = (ctx.actor.name(), target.to_string());
    let act = NewAudit {
        actor: &actor,
        action,
        target: &target,
        request_id: &ctx.request_id,
        ip: ctx.actor.ip_prefix(),
        detail,
        at: ctx.now,
    };
    audit::insert(tx, &act).await
}
