//! The proof of a reconciliation: one span per run and kind, which grows window by window.
//!
//! A regular span may be anywhere beside it: what counts for gaps is the union of all. The span is closed from the
//! start, so that the regular windows never go on from it.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Bool, Integer, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CoverageId, ShopId};

use crate::coverage::{CoverageKind, ReadSpan};
use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Writes down that a window was read in full. `span` is the run's span if it has one already; returns the span that
/// holds the window now.
///
/// # Errors
/// Constraint `coverage_forward` for an empty window.
pub async fn record(
    tx: &mut TenantTx,
    shop: ShopId,
    span: Option<CoverageId>,
    read: &ReadSpan,
    now: DateTime<Utc>,
) -> Result<CoverageId, StoreError> {
    if let Some(span) = span
        && grow(tx, span, read).await?
    {
        return Ok(span);
    }
    let span = CoverageId::generate();
    sql("INSERT INTO coverage (id, merchant_id, shop_id, kind, source, from_at, to_at, found, announced, fresh,
                               opened_at, closed)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, true)")
    .bind::<SqlUuid, _>(span.as_uuid())
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
    .execute(tx.conn()?)
    .await?;
    Ok(span)
}

/// Lets a span grow by a window that begins inside of it. Returns whether it could.
async fn grow(tx: &mut TenantTx, span: CoverageId, read: &ReadSpan) -> Result<bool, StoreError> {
    let grown = sql("UPDATE coverage SET to_at = greatest(to_at, $3), windows = windows + 1, found = found + $4,
                            announced = announced + $5, fresh = fresh + $6
                      WHERE merchant_id = $1 AND id = $2 AND $7 BETWEEN from_at AND to_at")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(span.as_uuid())
    .bind::<Timestamptz, _>(read.to)
    .bind::<Integer, _>(read.found)
    .bind::<Integer, _>(read.announced)
    .bind::<Integer, _>(read.fresh)
    .bind::<Timestamptz, _>(read.from)
    .execute(tx.conn()?)
    .await?;
    Ok(grown == 1)
}

/// Returns whether the spans opened since a moment cover a range without a gap, whoever read them.
///
/// # Errors
/// When the statement fails.
pub async fn covers(
    tx: &mut TenantTx,
    shop: ShopId,
    kind: CoverageKind,
    range: (DateTime<Utc>, DateTime<Utc>),
    since: DateTime<Utc>,
) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Covered {
        #[diesel(sql_type = Bool)]
        covered: bool,
    }
    // Index coverage_of_shop.
    let row: Covered =
        sql("SELECT coalesce(range_agg(tstzrange(from_at, to_at, '[]')) @> tstzrange($4, $5, '[]'), false) AS covered
               FROM coverage WHERE merchant_id = $1 AND shop_id = $2 AND kind = $3 AND opened_at >= $6
                AND from_at <= $5 AND to_at >= $4")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Text, _>(kind.as_str())
        .bind::<Timestamptz, _>(range.0)
        .bind::<Timestamptz, _>(range.1)
        .bind::<Timestamptz, _>(since)
        .get_result(tx.conn()?)
        .await?;
    Ok(row.covered)
}
