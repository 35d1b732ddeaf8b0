//! Orders that somebody else shipped, or put cards of their own on.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ReasonCode, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// An order that was handled outside.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct HandledOutside {
    /// Its number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// `shipped` or `foreign_cards`.
    #[diesel(sql_type = Text)]
    pub cause: String,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}

/// Notes orders; one that is known stays as it is. Returns how many are new.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, shop: ShopId, orders: &[HandledOutside]) -> Result<usize, StoreError> {
    if orders.is_empty() {
        return Ok(0);
    }
    let merchant = tx.merchant();
    Ok(sql("INSERT INTO handled_outside (merchant_id, shop_id, order_sn, cause, at)
            SELECT $1, $2, i.* FROM unnest($3::text[], $4::text[], $5::timestamptz[]) AS i ORDER BY 3
            ON CONFLICT (merchant_id, shop_id, order_sn) DO NOTHING")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(orders.iter().map(|order| order.order_sn.as_str()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(orders.iter().map(|order| order.cause.as_str()).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(orders.iter().map(|order| order.at).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?)
}

/// Counts a shop's orders handled outside since a moment. Index handled_outside_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn count_since(tx: &mut TenantTx, shop: ShopId, since: DateTime<Utc>) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let merchant = tx.merchant();
    let row: Count =
        sql("SELECT count(*) AS n FROM handled_outside WHERE merchant_id = $1 AND shop_id = $2 AND at >= $3")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(shop.as_uuid())
            .bind::<Timestamptz, _>(since)
            .get_result(tx.conn()?)
            .await?;
    Ok(row.n)
}

/// Lists a shop's orders handled outside, the latest first. Index handled_outside_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, shop: ShopId, limit: i64) -> Result<Vec<HandledOutside>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT order_sn, cause, at FROM handled_outside
             WHERE merchant_id = $1 AND shop_id = $2 ORDER BY at DESC, order_sn LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// A shop that somebody was warned about: another tool seems to work on it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct OutsideWarning {
    /// Which.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// How many orders were handled outside, from an hour before the warning on.
    #[diesel(sql_type = BigInt)]
    pub orders: i64,
}

/// Lists the warnings of shops that nobody has resolved. Indexes exceptions_one_open and handled_outside_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn list_warnings(tx: &TenantTx, shops: &[ShopId]) -> Result<Vec<OutsideWarning>, StoreError> {
    // The times are the platform's and ours: where they differ, the warning itself knows how many it was about.
    Ok(sql("SELECT e.shop_id AS shop, greatest((e.detail->>'orders')::bigint, (
                SELECT count(*) FROM handled_outside h
                 WHERE h.merchant_id = $1 AND h.shop_id = e.shop_id AND h.at >= e.opened_at - interval '1 hour')) AS orders
              FROM exceptions e
             WHERE e.merchant_id = $1 AND e.shop_id = ANY ($2) AND e.order_sn = '' AND e.code = $3
               AND e.resolved_at IS NULL ORDER BY e.opened_at, e.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Text, _>(ReasonCode::AnotherToolAtWork.as_str())
    .load(&mut tx.shared()?)
    .await?)
}
