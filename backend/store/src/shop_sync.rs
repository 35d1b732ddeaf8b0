//! How far each shop is read, and when it is due again. Hot rows: no index covers a column that changes here.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};
use kamiflow_kernel::ShopId;

use crate::coverage::CoverageKind;
use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Where the reading of a shop stands.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct ShopSyncRow {
    #[diesel(sql_type = Timestamptz)]
    pub orders_watermark: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    pub refunds_watermark: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub interval_ms: i32,
    #[diesel(sql_type = Timestamptz)]
    pub next_due_at: DateTime<Utc>,
    #[diesel(sql_type = Integer)]
    pub failures: i32,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub breaker_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_peek_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_window_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_ok_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    pub last_error: Option<String>,
}

impl ShopSyncRow {
    /// Returns up to when everything of a kind was read.
    #[must_use]
    pub const fn watermark(&self, kind: CoverageKind) -> DateTime<Utc> {
        match kind {
            CoverageKind::Orders => self.orders_watermark,
            CoverageKind::Refunds => self.refunds_watermark,
        }
    }
}

/// What a tick leaves behind. Watermarks only go forward here; moments left `None` stay as they are.
#[derive(Debug, Clone)]
pub struct SyncChange<'a> {
    /// Everything updated before it was read.
    pub orders_watermark: DateTime<Utc>,
    /// The same of after-sales.
    pub refunds_watermark: DateTime<Utc>,
    /// The interval the next tick starts from, milliseconds.
    pub interval_ms: i32,
    /// When the next tick is due.
    pub next_due_at: DateTime<Utc>,
    /// Failures in a row.
    pub failures: i32,
    /// Until when the shop is left alone.
    pub breaker_until: Option<DateTime<Utc>>,
    /// Up to where the last peek looked, by the platform's clock.
    pub last_peek_at: Option<DateTime<Utc>>,
    /// When the last window was read.
    pub last_window_at: Option<DateTime<Utc>>,
    /// When the last tick without a failure ended.
    pub last_ok_at: Option<DateTime<Utc>>,
    /// What went wrong last, if it did.
    pub last_error: Option<&'a str>,
}

pub(crate) const FETCH: &str =
    "SELECT orders_watermark, refunds_watermark, interval_ms, next_due_at, failures, breaker_until, last_peek_at,
                last_window_at, last_ok_at, last_error
           FROM shop_sync WHERE merchant_id = $1 AND shop_id = $2";

/// Reads where a shop stands. Primary key.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant.
pub async fn fetch(tx: &TenantTx, shop: ShopId) -> Result<ShopSyncRow, StoreError> {
    sql(FETCH)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .get_result(&mut tx.shared()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("shop"))
}

pub(crate) const UPDATE: &str = "UPDATE shop_sync
            SET orders_watermark = greatest(orders_watermark, $3), refunds_watermark = greatest(refunds_watermark, $4),
                interval_ms = $5, next_due_at = $6, failures = $7, breaker_until = $8,
                last_peek_at = coalesce($9, last_peek_at), last_window_at = coalesce($10, last_window_at),
                last_ok_at = coalesce($11, last_ok_at), last_error = $12
          WHERE merchant_id = $1 AND shop_id = $2";

/// Stores what a tick leaves behind.
///
/// # Errors
/// When the statement fails.
pub async fn update(tx: &TenantTx, shop: ShopId, change: &SyncChange<'_>) -> Result<(), StoreError> {
    sql(UPDATE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(change.orders_watermark)
        .bind::<Timestamptz, _>(change.refunds_watermark)
        .bind::<Integer, _>(change.interval_ms)
        .bind::<Timestamptz, _>(change.next_due_at)
        .bind::<Integer, _>(change.failures)
        .bind::<Nullable<Timestamptz>, _>(change.breaker_until)
        .bind::<Nullable<Timestamptz>, _>(change.last_peek_at)
        .bind::<Nullable<Timestamptz>, _>(change.last_window_at)
        .bind::<Nullable<Timestamptz>, _>(change.last_ok_at)
        .bind::<Nullable<Text>, _>(change.last_error)
        .execute(&mut tx.shared()?)
        .await?;
    Ok(())
}

/// Moves a watermark back, so that the windows read from there on again; returns whether it was later.
///
/// # Errors
/// When the statement fails.
pub async fn rewind(
    tx: &mut TenantTx,
    shop: ShopId,
    kind: CoverageKind,
    watermark: DateTime<Utc>,
) -> Result<bool, StoreError> {
    let statement = match kind {
        CoverageKind::Orders => {
            "UPDATE shop_sync SET orders_watermark = $3
              WHERE merchant_id = $1 AND shop_id = $2 AND orders_watermark > $3"
        }
        CoverageKind::Refunds => {
            "UPDATE shop_sync SET refunds_watermark = $3
              WHERE merchant_id = $1 AND shop_id = $2 AND refunds_watermark > $3"
        }
    };
    let moved = sql(statement)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(watermark)
        .execute(tx.conn()?)
        .await?;
    Ok(moved == 1)
}

/// Makes a shop due at a moment, unless it is due earlier, and ends its breaker: somebody knows that it works again.
///
/// # Errors
/// When the statement fails.
pub async fn update_due(tx: &mut TenantTx, shop: ShopId, at: DateTime<Utc>) -> Result<(), StoreError> {
    sql("UPDATE shop_sync SET next_due_at = least(next_due_at, $3), failures = 0, breaker_until = NULL
          WHERE merchant_id = $1 AND shop_id = $2")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lets the transaction's commit return before it is on disk. Only for facts that are found again by reading again:
/// after a crash of the server, watermark and coverage are both what they were, and the window is read once more.
///
/// # Errors
/// When the connection is lost.
pub async fn commit_lazily(tx: &TenantTx) -> Result<(), StoreError> {
    Ok(tx.shared()?.batch_execute("SET LOCAL synchronous_commit = off").await?)
}
