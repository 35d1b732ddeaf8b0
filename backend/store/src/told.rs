//! What a transaction tells of itself: entries of orders, sums for dashboards and rows for the relay, in one statement.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Date, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{EventId, ShopId};
use serde_json::Value;
use uuid::Uuid;

use crate::error::StoreError;
use crate::order_events::NewEvent;
use crate::sql::sql;
use crate::tx::TenantTx;

/// What is to be told about orders of a shop.
#[derive(Debug)]
pub struct Told<'a> {
    /// The shop.
    pub shop: ShopId,
    /// When it happened.
    pub at: DateTime<Utc>,
    /// Entries to append, as [`crate::order_events::append`] does.
    pub events: &'a [NewEvent],
    /// What to add to sums of the hour, as [`crate::rollups::add`] does.
    pub sums: &'a [(&'a str, i64)],
    /// Topic and payload of a row for the relay, as [`crate::outbox::push`] does.
    pub outbox: Option<(&'a str, Value)>,
}

const WRITE: &str = "WITH events AS (
        INSERT INTO order_events (merchant_id, at, id, order_day, order_id, kind, detail)
        SELECT $1, $3, i.* FROM unnest($4::uuid[], $5::date[], $6::uuid[], $7::text[], $8::jsonb[]) AS i
    ), sums AS (
        INSERT INTO rollup_deltas (merchant_id, shop_id, hour, metric, n)
        SELECT $1, $2, $9, i.* FROM unnest($10::text[], $11::bigint[]) AS i
    )
    INSERT INTO outbox (merchant_id, id, topic, payload)
    SELECT $1, i.* FROM unnest($12::uuid[], $13::text[], $14::jsonb[]) AS i";

/// Writes it. A round trip to Postgres costs more than a row does, and a batch of one order pays for each alone.
///
/// # Errors
/// When the connection is lost.
pub async fn write(tx: &TenantTx, told: Told<'_>) -> Result<(), StoreError> {
    let Told { shop, at, events, sums, outbox } = told;
    let (metrics, sums): (Vec<&str>, Vec<i64>) = sums.iter().filter(|(_, n)| *n != 0).copied().unzip();
    if events.is_empty() && metrics.is_empty() && outbox.is_none() {
        return Ok(());
    }
    let (topics, payloads): (Vec<&str>, Vec<Value>) = outbox.into_iter().unzip();
    sql(WRITE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(at)
        // Version 7 ids of one process rise within a millisecond, so (at, id) keeps the order of appending.
        .bind::<Array<SqlUuid>, _>(events.iter().map(|_| EventId::generate().as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Date>, _>(events.iter().map(|event| event.order.day).collect::<Vec<_>>())
        .bind::<Array<SqlUuid>, _>(events.iter().map(|event| event.order.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(events.iter().map(|event| event.kind).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(events.iter().map(|event| &event.detail).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at))
        .bind::<Array<Text>, _>(metrics)
        .bind::<Array<BigInt>, _>(sums)
        .bind::<Array<SqlUuid>, _>(topics.iter().map(|_| Uuid::now_v7()).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(topics)
        .bind::<Array<Jsonb>, _>(payloads)
        .execute(&mut tx.shared()?)
        .await?;
    Ok(())
}
