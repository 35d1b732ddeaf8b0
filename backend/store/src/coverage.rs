//! The proof of what was read: spans of update times per shop, merged while nothing is found.
//!
//! An idle shop is read some hundred times an hour; a row for each would be most of the database. So a window that
//! found nothing extends the open span in place (no index covers what changes, so the update stays heap-only), and a
//! span closes when it is old, when its source changes, or when something was found in it. With orders closing hourly
//! and after-sales every six hours, an idle shop costs 28 rows a day.
//!
//! Spans overlap on purpose. What must never be is a moment between the first and the last span that none covers:
//! [`list_gaps`] finds it, whoever made it.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::sql_types::{Bool, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CoverageId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CoverageKind {
    /// Orders by update time.
    Orders,
    /// After-sales by update time.
    Refunds,
}

impl CoverageKind {
    /// Returns the kind as the table names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Orders => "orders",
            Self::Refunds => "refunds",
        }
    }

    const fn span_lifetime(self) -> TimeDelta {
        match self {
            Self::Orders => TimeDelta::hours(1),
            Self::Refunds => TimeDelta::hours(6),
        }
    }
}

/// What read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CoverageSource {
    /// The regular windows.
    Window,
    /// A reconciliation.
    Reconcile,
}

impl CoverageSource {
    /// Returns the source as the table names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Window => "window",
            Self::Reconcile => "reconcile",
        }
    }
}

/// A window that was read in full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadSpan {
    /// What was read.
    pub kind: CoverageKind,
    /// What read it.
    pub source: CoverageSource,
    /// From this update time, included.
    pub from: DateTime<Utc>,
    /// To this update time, included.
    pub to: DateTime<Utc>,
    /// Distinct numbers.
    pub found: i32,
    /// Those of them that a hint had announced.
    pub announced: i32,
    /// Those of them never seen before.
    pub fresh: i32,
}

/// A span nobody read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Gap {
    /// From this update time.
    #[diesel(sql_type = Timestamptz)]
    pub from_at: DateTime<Utc>,
    /// To this update time.
    #[diesel(sql_type = Timestamptz)]
    pub to_at: DateTime<Utc>,
}

#[derive(Debug, Clone, QueryableByName)]
struct SpanRow {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = Timestamptz)]
    from_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    to_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    source: String,
    #[diesel(sql_type = Timestamptz)]
    opened_at: DateTime<Utc>,
    #[diesel(sql_type = Bool)]
    closed: bool,
}

/// What a window does to the spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Merge {
    /// The latest span grows to this moment.
    Extend { to: DateTime<Utc>, close: bool },
    /// A span of its own.
    Open { close: bool },
}

/// Decides what a window does, given the latest span of its shop and kind.
fn merge(last: Option<&SpanRow>, read: &ReadSpan, now: DateTime<Utc>) -> Merge {
    let close = read.found > 0 || read.source == CoverageSource::Reconcile;
    match last {
        Some(last)
            if !last.closed
                && last.source == read.source.as_str()
                && read.source == CoverageSource::Window
                && (last.from_at..=last.to_at).contains(&read.from)
                && now - last.opened_at < read.kind.span_lifetime() =>
        {
            Merge::Extend { to: last.to_at.max(read.to), close }
        }
        _ => Merge::Open { close },
    }
}

pub(crate) const LATEST: &str = "SELECT id, from_at, to_at, source, opened_at, closed FROM coverage
                     WHERE merchant_id = $1 AND shop_id = $2 AND kind = $3 ORDER BY from_at DESC LIMIT 1 FOR UPDATE";

pub(crate) const EXTEND: &str = "UPDATE coverage SET to_at = $3, windows = windows + 1, found = found + $4,
                        announced = announced + $5, fresh = fresh + $6, closed = $7
                  WHERE merchant_id = $1 AND id = $2";

/// Writes down that a window was read in full. Returns whether a new span was opened.
///
/// # Errors
/// Constraint `coverage_forward` for an empty span.
pub async fn extend(tx: &mut TenantTx, shop: ShopId, read: &ReadSpan, now: DateTime<Utc>) -> Result<bool, StoreError> {
    let merchant = tx.merchant().as_uuid();
    // Index coverage_of_shop.
    let last = sql(LATEST)
        .bind::<SqlUuid, _>(merchant)
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Text, _>(read.kind.as_str())
        .get_result::<SpanRow>(tx.conn()?)
        .await
        .optional()?;
    match (merge(last.as_ref(), read, now), last) {
        (Merge::Extend { to, close }, Some(last)) => {
            sql(EXTEND)
                .bind::<SqlUuid, _>(merchant)
                .bind::<SqlUuid, _>(last.id)
                .bind::<Timestamptz, _>(to)
                .bind::<Integer, _>(read.found)
                .bind::<Integer, _>(read.announced)
                .bind::<Integer, _>(read.fresh)
                .bind::<Bool, _>(close)
                .execute(tx.conn()?)
                .await?;
            Ok(false)
        }
        (Merge::Extend { close, .. } | Merge::Open { close }, last) => {
            if let Some(last) = last.filter(|last| !last.closed && last.from_at <= read.from) {
                sql("UPDATE coverage SET closed = true WHERE merchant_id = $1 AND id = $2")
                    .bind::<SqlUuid, _>(merchant)
                    .bind::<SqlUuid, _>(last.id)
                    .execute(tx.conn()?)
                    .await?;
            }
            insert(tx, shop, read, now, close).await?;
            Ok(true)
        }
    }
}

async fn insert(
    tx: &mut TenantTx,
    shop: ShopId,
    read: &ReadSpan,
    now: DateTime<Utc>,
    closed: bool,
) -> Result<(), StoreError> {
    sql("INSERT INTO coverage (id, merchant_id, shop_id, kind, source, from_at, to_at, found, announced, fresh,
                               opened_at, closed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
    .bind::<SqlUuid, _>(CoverageId::generate().as_uuid())
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(read.kind.as_str())
    .bind::<Text, _>(read.source.as_str())
    .bind::<Timestamptz, _>(read.from)
    .bind::<Timestamptz, _>(read.to)
    .bind::<Integer, _>(read.found)
    .bind::<Integer, _>(read.announced)
    .bind::<Integer, _>(read.fresh)
    .bind::<Timestamptz, _>(now)
    .bind::<Bool, _>(closed)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists what lies between two spans since a moment and is covered by none, earliest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_gaps(
    tx: &mut TenantTx,
    shop: ShopId,
    kind: CoverageKind,
    since: DateTime<Utc>,
) -> Result<Vec<Gap>, StoreError> {
    // Index coverage_of_shop; the running maximum makes nested and overlapping spans count once. The span that
    // reaches into the time looked at begins before it, hence the earlier bound of the index scan.
    Ok(sql("SELECT covered_to AS from_at, from_at AS to_at
              FROM (SELECT from_at, max(to_at) OVER (ORDER BY from_at, to_at
                                                     ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS covered_to
                      FROM coverage
                     WHERE merchant_id = $1 AND shop_id = $2 AND kind = $3
                       AND from_at >= coalesce((SELECT max(from_at) FROM coverage
                                                 WHERE merchant_id = $1 AND shop_id = $2 AND kind = $3
                                                   AND from_at <= $4), $4)) AS spans
             WHERE from_at > covered_to
             ORDER BY 1 LIMIT 100")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(kind.as_str())
    .bind::<Timestamptz, _>(since)
    .load(tx.conn()?)
    .await?)
}

#[cfg(test)]
mod tests;
