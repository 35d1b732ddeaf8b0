//! What happens in a merchant's shops when their application may call again.
//!
//! Everything here may run any number of times. Rows that somebody has locked are passed over: they are being worked
//! on right now, and whoever does so leaves them due.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ReasonCode, ShopId};
use serde_json::Value;

use crate::error::StoreError;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// Resolves the shops' own open exceptions of a code. Index exceptions_one_open.
///
/// # Errors
/// When the connection is lost.
pub async fn resolve_exceptions(
    tx: &mut TenantTx,
    shops: &[ShopId],
    code: ReasonCode,
    resolution: &str,
) -> Result<usize, StoreError> {
    Ok(sql("UPDATE exceptions SET resolved_at = now(), resolution = $4
             WHERE merchant_id = $1 AND shop_id = ANY ($2) AND order_sn = '' AND code = $3 AND resolved_at IS NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Text, _>(code.as_str())
    .bind::<Text, _>(resolution)
    .execute(tx.conn()?)
    .await?)
}

/// Resolves refusals of hand-overs that were about the API and not about the order, and makes their deliveries due.
///
/// # Errors
/// When the connection is lost.
pub async fn revive_refused(tx: &mut TenantTx, shops: &[ShopId], now: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant().as_uuid();
    Ok(sql("WITH refused AS (
                UPDATE exceptions e SET resolved_at = now(), resolution = 'the application may call again'
                 WHERE e.merchant_id = $1 AND e.shop_id = ANY ($2) AND e.code = $3 AND e.resolved_at IS NULL
                   AND e.order_sn <> '' AND e.detail->>'class' = 'StopApi'
                RETURNING e.shop_id, e.order_sn)
            UPDATE deliveries d SET due_at = $4, failures = 0 FROM refused r
             WHERE d.merchant_id = $1 AND d.shop_id = r.shop_id AND d.order_sn = r.order_sn
               AND d.state IN ('pending', 'reserved') AND d.due_at IS NULL")
    .bind::<SqlUuid, _>(merchant)
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Text, _>(ReasonCode::HandOverRefused.as_str())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?)
}

/// Brings forward whatever of the shops was put off: reading, hints, deliveries that have not started, and redemptions
/// that wait for one of these explanations.
///
/// # Errors
/// When the connection is lost.
pub async fn bring_forward(
    tx: &mut TenantTx,
    shops: &[ShopId],
    explanations: &[Value],
    now: DateTime<Utc>,
) -> Result<(), StoreError> {
    const STATEMENTS: [&str; 3] = [
        "UPDATE shop_sync SET next_due_at = least(next_due_at, $3), failures = 0, breaker_until = NULL
          WHERE merchant_id = $1 AND shop_id IN (
                SELECT y.shop_id FROM shop_sync y WHERE y.merchant_id = $1 AND y.shop_id = ANY ($2)
                   FOR UPDATE SKIP LOCKED)",
        "UPDATE order_hints SET due_at = $3
          WHERE merchant_id = $1 AND (shop_id, order_sn) IN (
                SELECT h.shop_id, h.order_sn FROM order_hints h
                 WHERE h.merchant_id = $1 AND h.shop_id = ANY ($2) AND h.due_at > $3 FOR UPDATE SKIP LOCKED)",
        "UPDATE deliveries SET due_at = $3
          WHERE merchant_id = $1 AND id IN (
                SELECT d.id FROM deliveries d
                 WHERE d.merchant_id = $1 AND d.shop_id = ANY ($2) AND d.state IN ('pending', 'reserved')
                   AND d.due_at > $3 FOR UPDATE SKIP LOCKED)",
    ];
    let merchant = tx.merchant().as_uuid();
    for statement in STATEMENTS {
        sql(statement)
            .bind::<SqlUuid, _>(merchant)
            .bind::<Array<SqlUuid>, _>(uuids(shops))
            .bind::<Timestamptz, _>(now)
            .execute(tx.conn()?)
            .await?;
    }
    sql("UPDATE redemptions SET due_at = $3
          WHERE merchant_id = $1 AND id IN (
                SELECT r.id FROM redemptions r
                 WHERE r.merchant_id = $1 AND r.shop_id = ANY ($2) AND r.state = 'waiting' AND r.due_at > $3
                   AND r.explanation = ANY ($4) FOR UPDATE SKIP LOCKED)")
    .bind::<SqlUuid, _>(merchant)
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Timestamptz, _>(now)
    .bind::<Array<Jsonb>, _>(explanations)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns whether the merchant is told about an application already: an open exception of another shop names it.
///
/// # Errors
/// When the connection is lost.
pub async fn is_told(tx: &mut TenantTx, shop: ShopId, code: ReasonCode, application: &str) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Told {
        #[diesel(sql_type = diesel::sql_types::Bool)]
        told: bool,
    }
    let row: Told = sql("SELECT EXISTS (
            SELECT FROM exceptions WHERE merchant_id = $1 AND shop_id <> $2 AND order_sn = '' AND code = $3
               AND resolved_at IS NULL AND detail->>'application' = $4) AS told")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(code.as_str())
    .bind::<Text, _>(application)
    .get_result(tx.conn()?)
    .await?;
    Ok(row.told)
}
