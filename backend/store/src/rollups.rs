//! Sums for dashboards: deltas are appended by transactions and folded into hours by a job.

use chrono::{DateTime, DurationRound, TimeDelta, Utc};
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Adds to sums of the hour of `at`; zero deltas are left out.
///
/// # Errors
/// When the connection is lost.
pub async fn add(tx: &mut TenantTx, shop: ShopId, at: DateTime<Utc>, deltas: &[(&str, i64)]) -> Result<(), StoreError> {
    let (metrics, sums): (Vec<&str>, Vec<i64>) = deltas.iter().filter(|(_, n)| *n != 0).copied().unzip();
    if metrics.is_empty() {
        return Ok(());
    }
    let hour = at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at);
    sql("INSERT INTO rollup_deltas (merchant_id, shop_id, hour, metric, n)
         SELECT $1, $2, $3, i.* FROM unnest($4::text[], $5::bigint[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(hour)
    .bind::<Array<Text>, _>(metrics)
    .bind::<Array<BigInt>, _>(sums)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
