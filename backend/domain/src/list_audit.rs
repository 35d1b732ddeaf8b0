//! The audit log, as a page shows it and as a file.

use std::collections::{BTreeSet, HashMap};
use std::str::FromStr;
use std::time::Duration;
use std::{fmt, io};

use chrono::{DateTime, Utc};
use kamiflow_kernel::{Permission, UserId, format_platform_time};
use kamiflow_store::StoreError;
use kamiflow_store::audit::{self, AuditFilter, AuditRow};
use kamiflow_store::team::members;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::acts;
use crate::api::list_tokens::list_token_names;
use crate::audit_areas;
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

/// Whose acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// A member's.
    Member(UserId),
    /// Those of the platform's staff.
    Staff,
    /// Those of programs with a token of the API.
    Programs,
    /// Those of the product itself.
    Engine,
}

impl By {
    /// What the names of all but one member begin with.
    const fn kind(self) -> Option<&'static str> {
        match self {
            Self::Member(_) => None,
            Self::Staff => Some("staff:"),
            Self::Programs => Some("token:"),
            Self::Engine => Some("engine"),
        }
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Member(user) => fmt::Display::fmt(user, f),
            Self::Staff => f.write_str("staff"),
            Self::Programs => f.write_str("programs"),
            Self::Engine => f.write_str("engine"),
        }
    }
}

impl FromStr for By {
    type Err = <UserId as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "staff" => Ok(Self::Staff),
            "programs" => Ok(Self::Programs),
            "engine" => Ok(Self::Engine),
            user => user.parse().map(Self::Member),
        }
    }
}

/// Which acts.
#[derive(Debug, Clone, Default)]
pub struct AuditPage {
    /// An area of [`audit_areas`] or an act (`shop.connect`); all without.
    pub area: Option<String>,
    /// By whom.
    pub by: Option<By>,
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
    let chosen =
        json!({ "area": page.area, "member": page.by.map(|by| by.to_string()), "from": page.from, "to": page.to });
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
    let actor = page.by.filter(|by| by.kind().is_none()).map(|by| by.to_string());
    let actions = page.area.as_deref().map(audit_areas::actions_of);
    let filter = AuditFilter {
        actor: actor.as_deref(),
        actor_kind: page.by.and_then(By::kind),
        actions: actions.as_deref(),
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

/// One line of what an act says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetailLine {
    /// Of what; empty where the act is about one thing.
    pub name: String,
    /// What it was, where the act changed it; empty where there was nothing.
    pub before: Option<String>,
    /// What it is; empty where there is nothing any more.
    pub after: String,
}

/// Returns what an act says of itself, line by line: of what changed, before and after; the rest as it is.
#[must_use]
pub fn detail_lines(detail: &Value) -> Vec<DetailLine> {
    let Some(fields) = detail.as_object() else {
        return if detail.is_null() { Vec::new() } else { vec![plain(String::new(), detail)] };
    };
    let (before, after) = (fields.get("before"), fields.get("after"));
    let changes = match (before, after) {
        (Some(before), Some(after)) => changes(before, after),
        _ => Vec::new(),
    };
    let is_change = |name: &str| before.is_some() && after.is_some() && ["before", "after"].contains(&name);
    let rest = fields.iter().filter(|(name, _)| !is_change(name)).map(|(name, value)| plain(name.clone(), value));
    changes.into_iter().chain(rest).collect()
}

fn changes(before: &Value, after: &Value) -> Vec<DetailLine> {
    let line = |name: &str, before: &Value, after: &Value| DetailLine {
        name: name.to_owned(),
        before: Some(shown(before)),
        after: shown(after),
    };
    let (Some(before), Some(after)) = (as_fields(before), as_fields(after)) else {
        return vec![line("", before, after)];
    };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let of = |fields: &serde_json::Map<String, Value>, name: &str| fields.get(name).cloned().unwrap_or_default();
    let values = names.into_iter().map(|name| (name, of(&before, name), of(&after, name)));
    values
        .filter(|(_, before, after)| before != after)
        .map(|(name, before, after)| line(name, &before, &after))
        .collect()
}

/// Nothing is as good as no field; any other value has none.
fn as_fields(value: &Value) -> Option<serde_json::Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields.clone()),
        Value::Null => Some(serde_json::Map::new()),
        _ => None,
    }
}

fn plain(name: String, value: &Value) -> DetailLine {
    DetailLine { name, before: None, after: shown(value) }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(detail: Value) -> Vec<String> {
        let line = |line: DetailLine| match line.before {
            Some(before) => format!("{}: {before} → {}", line.name, line.after),
            None => format!("{}: {}", line.name, line.after),
        };
        detail_lines(&detail).into_iter().map(line).collect()
    }

    #[test]
    fn what_changed_is_shown_before_and_after_and_what_did_not_is_left_out() {
        let seat =
            json!({ "before": { "role": "viewer", "shops": "all" }, "after": { "role": "admin", "shops": "all" } });
        assert_eq!(lines(seat), ["role: viewer → admin"]);
        assert_eq!(lines(json!({ "before": "A", "after": "B", "why": "x" })), [": A → B", "why: x"]);
        let new = json!({ "before": null, "after": { "reason": "r", "ends_at": null }, "work": "delivery" });
        assert_eq!(lines(new), ["reason:  → r", "work: delivery"]);
        assert_eq!(lines(json!({ "cards": 3, "before": "?" })), ["cards: 3", "before: ?"]);
        assert!(lines(json!({})).is_empty() && lines(Value::Null).is_empty());
    }

    #[test]
    fn whose_acts_are_meant_is_read_as_it_is_written() {
        for by in [By::Member(UserId::generate()), By::Staff, By::Programs, By::Engine] {
            assert_eq!(by.to_string().parse().ok(), Some(by));
        }
        assert!("nobody".parse::<By>().is_err());
    }
}
