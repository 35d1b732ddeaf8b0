//! The audit log, as a page shows it.

use kamiflow_kernel::Permission;
use kamiflow_store::audit::{self, AuditFilter, AuditRow};

use crate::ctx::{ActError, Ctx};
use crate::engine::Engine;

/// Acts on one page.
pub const PAGE: usize = 50;

/// Which acts.
#[derive(Debug, Clone, Copy, Default)]
pub struct AuditPage<'a> {
    /// An area (`shop`) or an act (`shop.connect`); all without.
    pub area: Option<&'a str>,
    /// In front of this place of the line: the last one of the page before.
    pub before_seq: Option<i64>,
}

/// Lists acts, newest first, at most [`PAGE`].
///
/// # Errors
/// When the actor may not look at the log, or the store fails.
pub async fn list_audit(engine: &Engine, ctx: &Ctx, page: &AuditPage<'_>) -> Result<Vec<AuditRow>, ActError> {
    ctx.require(Permission::ShowAudit)?;
    let filter = AuditFilter { action: page.area, before_seq: page.before_seq, ..AuditFilter::ALL };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = audit::list(&mut tx, &filter, i64::try_from(PAGE).unwrap_or(i64::MAX)).await?;
    tx.commit().await?;
    Ok(rows)
}
