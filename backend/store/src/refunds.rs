//! After-sales as the refund windows show them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{Fen, OrderSn, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An after-sale that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRefund<'a> {
    /// The platform's number of it.
    pub after_sales_id: i64,
    /// Its order.
    pub order_sn: &'a OrderSn,
    /// See protocol 3.1.
    pub status: i16,
    /// Query numbering of protocol 6.1.
    pub kind: i16,
    /// What is asked for.
    pub amount: Fen,
    /// When it was opened.
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    pub updated_at: DateTime<Utc>,
}

/// An after-sale that was new or told something new.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct ChangedRefund {
    /// The platform's number of it.
    #[diesel(sql_type = BigInt)]
    pub after_sales_id: i64,
    /// Its order.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Whether it was never seen before.
    #[diesel(sql_type = Bool)]
    pub fresh: bool,
}

/// Stores after-sales; what is stored with a later update time stays. Returns those that told something new.
///
/// # Errors
/// When the statement fails.
pub async fn upsert(
    tx: &mut TenantTx,
    shop: ShopId,
    refunds: &[NewRefund<'_>],
    seen_at: DateTime<Utc>,
) -> Result<Vec<ChangedRefund>, StoreError> {
    // The same after-sale may stand on two pages of one read; a statement may touch a row only once.
    let mut latest: BTreeMap<i64, &NewRefund<'_>> = BTreeMap::new();
    for refund in refunds {
        let kept = latest.entry(refund.after_sales_id).or_insert(refund);
        if kept.updated_at < refund.updated_at {
            *kept = refund;
        }
    }
    if latest.is_empty() {
        return Ok(Vec::new());
    }
    let rows = || latest.values();
    let ids: Vec<Uuid> = rows().map(|_| Uuid::now_v7()).collect();
    Ok(sql("INSERT INTO refunds AS r (merchant_id, shop_id, seen_at, id, after_sales_id, order_sn, after_sales_status,
                                      after_sales_type, refund_fen, platform_created_at, updated_at)
            SELECT $1, $2, $3, n.* FROM unnest($4::uuid[], $5::bigint[], $6::text[], $7::smallint[], $8::smallint[],
                                               $9::bigint[], $10::timestamptz[], $11::timestamptz[]) AS n
            ON CONFLICT (shop_id, after_sales_id) DO UPDATE
               SET after_sales_status = excluded.after_sales_status, after_sales_type = excluded.after_sales_type,
                   refund_fen = excluded.refund_fen, updated_at = excluded.updated_at
             WHERE excluded.updated_at >= r.updated_at
               AND (excluded.updated_at, excluded.after_sales_status, excluded.after_sales_type, excluded.refund_fen)
                   IS DISTINCT FROM (r.updated_at, r.after_sales_status, r.after_sales_type, r.refund_fen)
            RETURNING after_sales_id, order_sn, xmax = 0 AS fresh")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(seen_at)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(rows().map(|refund| refund.after_sales_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(rows().map(|refund| refund.order_sn.as_str()).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(rows().map(|refund| refund.status).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(rows().map(|refund| refund.kind).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(rows().map(|refund| refund.amount.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(rows().map(|refund| refund.created_at).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(rows().map(|refund| refund.updated_at).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}

/// Lists the after-sales that [`upsert`] would store as new or changed, without storing them.
///
/// # Errors
/// When the statement fails.
pub async fn list_news(
    tx: &mut TenantTx,
    shop: ShopId,
    refunds: &[NewRefund<'_>],
) -> Result<Vec<ChangedRefund>, StoreError> {
    Ok(sql("SELECT n.after_sales_id, n.order_sn, r.id IS NULL AS fresh
              FROM unnest($3::bigint[], $4::text[], $5::smallint[], $6::smallint[], $7::bigint[], $8::timestamptz[])
                   AS n (after_sales_id, order_sn, after_sales_status, after_sales_type, refund_fen, updated_at)
              LEFT JOIN refunds r ON r.merchant_id = $1 AND r.shop_id = $2 AND r.after_sales_id = n.after_sales_id
             WHERE r.id IS NULL OR n.updated_at >= r.updated_at
               AND (n.updated_at, n.after_sales_status, n.after_sales_type, n.refund_fen)
                   IS DISTINCT FROM (r.updated_at, r.after_sales_status, r.after_sales_type, r.refund_fen)")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<BigInt>, _>(refunds.iter().map(|refund| refund.after_sales_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(refunds.iter().map(|refund| refund.order_sn.as_str()).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(refunds.iter().map(|refund| refund.status).collect::<Vec<_>>())
    .bind::<Array<SmallInt>, _>(refunds.iter().map(|refund| refund.kind).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(refunds.iter().map(|refund| refund.amount.0).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(refunds.iter().map(|refund| refund.updated_at).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}
