//! The audit log, as a page shows it and as a file.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, UserId, format_platform_time};
use kamiflow_store::StoreError;
use kamiflow_store::audit::{self, AuditFilter, AuditRow};
use kamiflow_store::team::members;
use serde_json::json;
use tokio::sync::mpsc;

use crate::acts;
use crate::api::list_tokens::list_token_names;
use crate::csv_lines;
use crate::ctx::{ActError, Actor, Ctx};
use crate::engine::Engine;
use crate::export::Download;
use crate::teams;

/// Acts on one page.
pub const PAGE: usize = 50;
/// Acts read at once for a file.
const FILE_PAGE: i64 = 1_000;
/// How long a part of a file waits for who downloads.
const STALLED: Duration = Duration::from_secs(60);
/// Parts of a file that wait for who downloads.
const AHEAD: usize = 4;

/// The columns of a file.
pub(crate) const COLUMNS: &[&str] =
    &["seq", "at", "actor", "name", "action", "target", "place", "request_id", "detail"];

/// Which acts.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// An area (`shop`) or an act (`shop.connect`); all without.
    pub area: Option<String>,
    /// By whom.
    pub member: Option<UserId>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
    /// In front of this place of the line: the last one of the page before.
    pub before_seq: Option<i64>,
}

/// Lists acts, newest first, at most [`PAGE`].
///
/// # Errors
/// When the actor may not look at the log, or the store fails.
pub async fn list_audit(engine: &Engine, ctx: &Ctx, page: &AuditPage) -> Result<Vec<AuditRow>, ActError> {
    ctx.require(Permission::ShowAudit)?;
    read(engine, ctx, page, i64::try_from(PAGE).unwrap_or(i64::MAX)).await
}

/// Begins a file of all acts that a page's choices find; its place in the line does not matter.
///
/// # Errors
/// When the actor may not look at the log, a fresh proof is needed, or the store fails.
pub async fn export_audit(engine: &Engine, ctx: &Ctx, page: &AuditPage) -> Result<Download, ActError> {
    ctx.require(Permission::ShowAudit)?;
    ctx.require_sudo()?;
    let names = names(engine, ctx).await?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let chosen = json!({ "area": page.area, "member": page.member, "from": page.from, "to": page.to });
    acts::record(&mut tx, ctx, "audit.export", ctx.merchant, chosen).await?;
    tx.commit().await?;
    let (blocks, download) = mpsc::channel(AHEAD);
    let (engine, ctx, page) = (engine.clone(), ctx.clone(), page.clone());
    // Kept for the last word: a file that breaks off must not look whole to who has stalled.
    let last_word = blocks.clone().try_reserve_owned().ok();
    tokio::spawn(async move {
        if let Err(error) = send(&engine, &ctx, page, (&names, &blocks)).await {
            let _sent = last_word.map(|place| place.send(Err(io::Error::other(error))));
        }
    });
    Ok(download)
}

/// Sends all pages; who stops downloading ends it.
async fn send(
    engine: &Engine,
    ctx: &Ctx,
    mut page: AuditPage,
    (names, blocks): (&HashMap<String, String>, &mpsc::Sender<io::Result<Vec<u8>>>),
) -> Result<(), ActError> {
    page.before_seq = None;
    let mut block = csv_lines::head(COLUMNS);
    loop {
        // Gone, or stalled: the file ends unfinished either way.
        if !matches!(tokio::time::timeout(STALLED, blocks.send(Ok(block))).await, Ok(Ok(()))) {
            return Err(StoreError::Unavailable("nobody downloads any more".to_owned()).into());
        }
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        teams::keeps_seat(&mut tx, ctx).await?;
        tx.commit().await?;
        let rows = read(engine, ctx, &page, FILE_PAGE).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        page.before_seq = Some(last.seq);
        block = csv_lines::lines(rows.iter().map(|row| cells(row, names)));
    }
}

async fn read(engine: &Engine, ctx: &Ctx, page: &AuditPage, limit: i64) -> Result<Vec<AuditRow>, ActError> {
    let actor = page.member.map(|member| member.to_string());
    let filter = AuditFilter {
        actor: actor.as_deref(),
        action: page.area.as_deref(),
        target: None,
        from: page.from,
        to: page.to,
        before_seq: page.before_seq,
    };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let rows = audit::list(&mut tx, &filter, limit).await?;
    tx.commit().await?;
    Ok(rows)
}

/// Returns what members and tokens are called, by the name that their acts are recorded under.
///
/// # Errors
/// When the actor may not look at the log, or the store fails.
pub async fn names(engine: &Engine, ctx: &Ctx) -> Result<HashMap<String, String>, ActError> {
    let tokens = list_token_names(engine, ctx).await?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let members = members::list(&mut tx).await?;
    tx.commit().await?;
    let members = members.into_iter().map(|row| (row.user.to_string(), row.name));
    let tokens = tokens.into_iter().map(|(token, name)| (Actor::name_of_token(token), format!("API · {name}")));
    Ok(members.chain(tokens).collect())
}

/// Returns an act as a line of a file.
pub(crate) fn cells(row: &AuditRow, names: &HashMap<String, String>) -> Vec<String> {
    vec![
        row.seq.to_string(),
        format_platform_time(row.at),
        row.actor.clone(),
        names.get(&row.actor).cloned().unwrap_or_default(),
        row.action.clone(),
        row.target.clone(),
        row.ip.clone(),
        row.request_id.clone(),
        row.detail.to_string(),
    ]
}
