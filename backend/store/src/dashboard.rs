//! What the first page of the console counts, of some shops of a merchant.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;

use crate::error::StoreError;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// The sum of one metric in one hour, of all shops that were asked about.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct HourSum {
    /// When the hour began.
    #[diesel(sql_type = Timestamptz)]
    pub hour: DateTime<Utc>,
    /// What was counted, as [`crate::rollups::add`] was told.
    #[diesel(sql_type = Text)]
    pub metric: String,
    /// How much.
    #[diesel(sql_type = BigInt)]
    pub n: i64,
}

/// Sums metrics by hour, from the hour of `from` on. What was not folded yet counts as well; both are read in one snapshot, so
/// that nothing that is folded meanwhile is missed or counted twice.
///
/// # Errors
/// When the statement fails.
pub async fn sums(
    tx: &TenantTx,
    shops: &[ShopId],
    metrics: &[&str],
    from: DateTime<Utc>,
) -> Result<Vec<HourSum>, StoreError> {
    Ok(sql("SELECT hour, metric, sum(n)::bigint AS n
              FROM (SELECT hour, metric, n FROM rollups_hourly
                     WHERE merchant_id = $1 AND shop_id = ANY ($2) AND metric = ANY ($3) AND hour >= $4
                     UNION ALL
                    SELECT hour, metric, n FROM rollup_deltas
                     WHERE merchant_id = $1 AND shop_id = ANY ($2) AND metric = ANY ($3) AND hour >= $4) AS sums
             GROUP BY hour, metric ORDER BY hour, metric")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Array<Text>, _>(metrics)
    .bind::<Timestamptz, _>(from)
    .load(&mut tx.shared()?)
    .await?)
}

/// Orders that are to be handed over, by the time that is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, QueryableByName)]
pub struct ToShip {
    /// The latest shipping time is past.
    #[diesel(sql_type = BigInt)]
    pub late: i64,
    /// It comes within an hour.
    #[diesel(sql_type = BigInt)]
    pub within_an_hour: i64,
    /// It comes later, or the platform told none.
    #[diesel(sql_type = BigInt)]
    pub later: i64,
}

/// Counts the orders of connected shops that are to be handed over and may be now, by the time that is left, in trial
/// runs too. Index orders_ship_by, which holds nothing else.
///
/// # Errors
/// When the statement fails.
pub async fn to_ship(tx: &TenantTx, shops: &[ShopId], now: DateTime<Utc>) -> Result<ToShip, StoreError> {
    Ok(sql("SELECT count(*) FILTER (WHERE last_ship_at < $3) AS late,
                   count(*) FILTER (WHERE last_ship_at >= $3 AND last_ship_at < $4) AS within_an_hour,
                   count(*) FILTER (WHERE last_ship_at >= $4 OR last_ship_at IS NULL) AS later
              FROM orders
             WHERE merchant_id = $1 AND shop_id IN (SELECT id FROM shops WHERE merchant_id = $1 AND id = ANY ($2)
                                                       AND state <> 'disconnected')
               AND to_ship AND confirm_status = 1 AND refund_status = 1 AND risk_control_status = 0")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(now + TimeDelta::hours(1))
    .get_result(&mut tx.shared()?)
    .await?)
}

/// Counts the orders of connected shops that wait for a person. Index exceptions_one_open.
///
/// # Errors
/// When the statement fails.
pub async fn need_person(tx: &TenantTx, shops: &[ShopId]) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let count: Count = sql("SELECT count(DISTINCT (shop_id, order_sn)) AS n FROM exceptions
          WHERE merchant_id = $1 AND shop_id IN (SELECT id FROM shops WHERE merchant_id = $1 AND id = ANY ($2)
                                                    AND state <> 'disconnected') AND resolved_at IS NULL AND (blocking OR needs_review)
            AND order_id IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .get_result(&mut tx.shared()?)
    .await?;
    Ok(count.n)
}
