//! What happened to an order, in order.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, Date, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::EventId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::tx::TenantTx;

/// One entry to append.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// Of which order.
    pub order: OrderKey,
    /// What happened: `seen`, `classified`, `handing_over`, `delivered`, …
    pub kind: &'static str,
    /// Particulars; never secrets or buyer data.
    pub detail: serde_json::Value,
}

/// Appends entries.
///
/// # Errors
/// When the connection is lost.
pub async fn append(tx: &TenantTx, at: DateTime<Utc>, news: &[NewEvent]) -> Result<(), StoreError> {
    if news.is_empty() {
        return Ok(());
    }
    // Version 7 ids of one process rise within a millisecond, so (at, id) keeps the order of appending.
    let ids: Vec<Uuid> = news.iter().map(|_| EventId::generate().as_uuid()).collect();
    let days: Vec<_> = news.iter().map(|new| new.order.day).collect();
    let orders: Vec<_> = news.iter().map(|new| new.order.id.as_uuid()).collect();
    let kinds: Vec<&str> = news.iter().map(|new| new.kind).collect();
    let details: Vec<&serde_json::Value> = news.iter().map(|new| &new.detail).collect();
    sql("INSERT INTO order_events (merchant_id, at, id, order_day, order_id, kind, detail)
         SELECT $1, $2, i.* FROM unnest($3::uuid[], $4::date[], $5::uuid[], $6::text[], $7::jsonb[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<Date>, _>(days)
    .bind::<Array<SqlUuid>, _>(orders)
    .bind::<Array<Text>, _>(kinds)
    .bind::<Array<Jsonb>, _>(details)
    .execute(&mut tx.shared()?)
    .await?;
    Ok(())
}

/// An entry as it is read.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct EventRow {
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Jsonb)]
    pub detail: serde_json::Value,
}

/// Lists an order's entries, oldest first. Index order_events_of_order.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, order: OrderKey) -> Result<Vec<EventRow>, StoreError> {
    Ok(sql("SELECT at, kind, detail FROM order_events
             WHERE merchant_id = $1 AND order_id = $2 ORDER BY at, id LIMIT 1000")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(order.id.as_uuid())
    .load(tx.conn()?)
    .await?)
}
