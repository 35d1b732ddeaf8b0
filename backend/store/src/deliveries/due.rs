//! When deliveries are looked at: what is due, what a pause puts off, and what news makes due again.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryState, ShopId};

use crate::error::StoreError;
use crate::pauses::PausedLevels;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A delivery that is due.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct DueDelivery {
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    state: String,
}

impl DueDelivery {
    /// Returns whether an attempt of it has started and is unresolved.
    #[must_use]
    pub fn is_unresolved(&self) -> bool {
        self.state == DeliveryState::HandingOver.as_str()
    }
}

/// What a pause of delivery holds back: levels are bound as $4 to $7. What the platform hands out itself is no hand-over.
macro_rules! held_by_pauses {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            "(d.state IN ('pending', 'reserved') AND d.method NOT IN ('platform_pool', 'platform_codes')
                    AND ($4 OR d.sku_id = ANY ($5) OR coalesce(d.pool_id = ANY ($6), false)
                         OR d.state = 'reserved' AND cardinality($7) > 0
                            AND EXISTS (SELECT FROM delivery_lines l
                                  JOIN card_uses u ON u.id = l.card_use_id AND u.merchant_id = $1
                                  JOIN cards c ON c.id = u.card_id AND c.merchant_id = $1
                                 WHERE l.merchant_id = $1 AND l.delivery_id = d.id AND l.live AND c.batch_id = ANY ($7))))",
            $after
        )
    };
}

pub(crate) const LIST_DUE: &str = held_by_pauses!(
    "SELECT d.order_sn, d.state FROM deliveries d
             WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.due_at <= $3 AND NOT ",
    " ORDER BY d.last_ship_at NULLS LAST, d.due_at LIMIT $8"
);

/// Lists what is due in a shop and not held back by a pause, the earliest latest-shipping time first. Index
/// deliveries_due.
///
/// # Errors
/// When the connection is lost.
pub async fn list_due(
    tx: &TenantTx,
    shop: ShopId,
    now: DateTime<Utc>,
    paused: &PausedLevels,
    limit: i64,
) -> Result<Vec<DueDelivery>, StoreError> {
    Ok(sql(LIST_DUE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<Bool, _>(paused.everything)
        .bind::<Array<SqlUuid>, _>(&paused.skus)
        .bind::<Array<SqlUuid>, _>(&paused.pools)
        .bind::<Array<SqlUuid>, _>(&paused.batches)
        .bind::<BigInt, _>(limit)
        .load(&mut tx.shared()?)
        .await?)
}

/// The most deliveries that one statement puts off; the next turn goes on.
const MOST_PUT_OFF: i64 = 5_000;

pub(crate) const PUT_OFF_PAUSED: &str = held_by_pauses!(
    "UPDATE deliveries p SET due_at = $8
       FROM (SELECT d.id FROM deliveries d
              WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.due_at <= $3 AND ",
    " ORDER BY d.id LIMIT $9 FOR UPDATE SKIP LOCKED) held
      WHERE p.merchant_id = $1 AND p.id = held.id"
);

/// Puts off what is due and held back by a pause, so that nobody reads it meanwhile. Index deliveries_due.
///
/// The caller keeps the pauses as they are ([`pauses::keep`](crate::pauses::keep)): work that was put off for a pause
/// that has just ended would wait for nothing.
///
/// # Errors
/// When the connection is lost.
pub async fn put_off_paused(
    tx: &mut TenantTx,
    shop: ShopId,
    now: DateTime<Utc>,
    paused: &PausedLevels,
    until: DateTime<Utc>,
) -> Result<usize, StoreError> {
    Ok(sql(PUT_OFF_PAUSED)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<Bool, _>(paused.everything)
        .bind::<Array<SqlUuid>, _>(&paused.skus)
        .bind::<Array<SqlUuid>, _>(&paused.pools)
        .bind::<Array<SqlUuid>, _>(&paused.batches)
        .bind::<Timestamptz, _>(until)
        .bind::<BigInt, _>(MOST_PUT_OFF)
        .execute(tx.conn()?)
        .await?)
}

pub(crate) const NEXT_DUE: &str = "SELECT least(
            (SELECT min(d.due_at) FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = $2 AND d.due_at IS NOT NULL),
            (SELECT min(h.due_at) FROM order_hints h WHERE h.merchant_id = $1 AND h.shop_id = $2)) AS at";

/// Returns when the next delivery or hint of a shop is due.
///
/// # Errors
/// When the connection is lost.
pub async fn next_due(tx: &TenantTx, shop: ShopId) -> Result<Option<DateTime<Utc>>, StoreError> {
    #[derive(QueryableByName)]
    struct Next {
        #[diesel(sql_type = Nullable<Timestamptz>)]
        at: Option<DateTime<Utc>>,
    }
    let next: Next = sql(NEXT_DUE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .get_result(&mut tx.shared()?)
        .await?;
    Ok(next.at)
}

pub(crate) const RESCHEDULE: &str = "UPDATE deliveries SET due_at = $4
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND state IN ('pending', 'reserved')";

/// Sets when deliveries are to be looked at again, without touching anything else.
///
/// # Errors
/// When the connection is lost.
pub async fn reschedule(
    tx: &mut TenantTx,
    shop: ShopId,
    sns: &[&str],
    due_at: Option<DateTime<Utc>>,
) -> Result<usize, StoreError> {
    Ok(sql(RESCHEDULE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(sns.to_vec())
        .bind::<Nullable<Timestamptz>, _>(due_at)
        .execute(tx.conn()?)
        .await?)
}

/// Makes deliveries whose outcome was left to a person due again, because the platform says something new.
///
/// # Errors
/// When the connection is lost.
pub async fn revive(tx: &mut TenantTx, shop: ShopId, sns: &[&str], now: DateTime<Utc>) -> Result<usize, StoreError> {
    if sns.is_empty() {
        return Ok(0);
    }
    Ok(sql("UPDATE deliveries SET due_at = $4
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND state = 'handing_over' AND due_at IS NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.to_vec())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?)
}

/// Puts off what is due; what was left to a person stays with that person.
///
/// # Errors
/// When the connection is lost.
pub async fn postpone(
    tx: &mut TenantTx,
    shop: ShopId,
    sns: &[&str],
    until: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if sns.is_empty() {
        return Ok(0);
    }
    Ok(sql("UPDATE deliveries SET due_at = $4
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND state IN ('pending', 'reserved')
               AND due_at IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.to_vec())
    .bind::<Timestamptz, _>(until)
    .execute(tx.conn()?)
    .await?)
}
