//! Hints: "read this order again". A hint is cleared only by a read that started after it became dirty.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderSn, ShopId};

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Why an order is to be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintSource {
    /// A push message.
    Push,
    /// A refund window.
    Refund,
    /// A page held it, but not in a readable form.
    Unreadable,
    /// Two reads with the same update time differed.
    Conflict,
    /// A person asked.
    Person,
}

impl HintSource {
    /// Returns the source as the table names it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Push => "push",
            Self::Refund => "refund",
            Self::Unreadable => "unreadable",
            Self::Conflict => "conflict",
            Self::Person => "person",
        }
    }

    /// Whether it is news about the order, so that the count of fruitless reads begins anew. What our own reading
    /// found out about itself is none: it would keep the hint alive for ever.
    const fn is_news(self) -> bool {
        matches!(self, Self::Push | Self::Refund | Self::Person)
    }
}

/// When and why orders are to be read again.
#[derive(Debug, Clone, Copy)]
pub struct NewHints {
    /// A read must start after it to clear the hint.
    pub dirty_since: DateTime<Utc>,
    /// When to read.
    pub due_at: DateTime<Utc>,
    /// Why.
    pub source: HintSource,
}

/// A hint.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct HintRow {
    /// The order's number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// A read must start after it to clear the hint.
    #[diesel(sql_type = Timestamptz)]
    pub dirty_since: DateTime<Utc>,
    /// When to read.
    #[diesel(sql_type = Timestamptz)]
    pub due_at: DateTime<Utc>,
    /// Reads so far that told nothing new.
    #[diesel(sql_type = SmallInt)]
    pub tries: i16,
    /// Why, as [`HintSource::as_str`] names it.
    #[diesel(sql_type = Text)]
    pub source: String,
}

pub(crate) const UPSERT: &str =
    "INSERT INTO order_hints AS h (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
         SELECT $2, sn, $1, $4, $5, $6 FROM (SELECT DISTINCT unnest($3::text[]) AS sn ORDER BY 1) AS news
         ON CONFLICT (shop_id, order_sn) DO UPDATE
            SET dirty_since = greatest(h.dirty_since, excluded.dirty_since),
                due_at = least(h.due_at, excluded.due_at),
                tries = CASE WHEN $7 = 1 THEN 0 ELSE h.tries END,
                source = excluded.source";

/// Hints orders of a shop; an order that is hinted already is due at the earlier of both times.
///
/// # Errors
/// When the statement fails.
pub async fn upsert(tx: &TenantTx, shop: ShopId, orders: &[OrderSn], hints: NewHints) -> Result<(), StoreError> {
    if orders.is_empty() {
        return Ok(());
    }
    // Sorted and distinct: two writers then lock in the same order, and a number twice would be refused.
    sql(UPSERT)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(texts(orders))
        .bind::<Timestamptz, _>(hints.dirty_since)
        .bind::<Timestamptz, _>(hints.due_at)
        .bind::<Text, _>(hints.source.as_str())
        .bind::<Integer, _>(i32::from(hints.source.is_news()))
        .execute(&mut tx.shared()?)
        .await?;
    Ok(())
}

pub(crate) const LIST_DUE: &str = "SELECT order_sn, dirty_since, due_at, tries, source FROM order_hints
             WHERE merchant_id = $1 AND shop_id = $2 AND due_at <= $3 ORDER BY due_at LIMIT $4";

/// Lists a shop's due hints, earliest first. Index order_hints_due.
///
/// # Errors
/// When the statement fails.
pub async fn list_due(tx: &TenantTx, shop: ShopId, now: DateTime<Utc>, limit: i64) -> Result<Vec<HintRow>, StoreError> {
    Ok(sql(LIST_DUE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<BigInt, _>(limit)
        .load(&mut tx.shared()?)
        .await?)
}

pub(crate) const LIST_AMONG: &str = "SELECT order_sn, dirty_since, due_at, tries, source FROM order_hints
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3)";

/// Returns which of these orders are hinted, by whatever source.
///
/// # Errors
/// When the statement fails.
pub async fn list_among(tx: &mut TenantTx, shop: ShopId, orders: &[OrderSn]) -> Result<Vec<HintRow>, StoreError> {
    if orders.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sql(LIST_AMONG)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(texts(orders))
        .load(tx.conn()?)
        .await?)
}

pub(crate) const CLEAR_READ: &str = "DELETE FROM order_hints
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND dirty_since < $4";

/// Clears the hints that became dirty before a read of these orders started; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn clear_read(
    tx: &TenantTx,
    shop: ShopId,
    orders: &[OrderSn],
    read_started: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if orders.is_empty() {
        return Ok(0);
    }
    Ok(sql(CLEAR_READ)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(texts(orders))
        .bind::<Timestamptz, _>(read_started)
        .execute(&mut tx.shared()?)
        .await?)
}

/// Puts a hint off after a read that told nothing new, and counts that read.
///
/// Returns whether the hint was still the one that was read for: fresh news since then stays due at once.
///
/// # Errors
/// When the statement fails.
pub async fn defer(tx: &mut TenantTx, shop: ShopId, hint: &HintRow, due_at: DateTime<Utc>) -> Result<bool, StoreError> {
    let deferred = sql(
        "UPDATE order_hints SET tries = least(tries + 1, 1000), due_at = $6
                         WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = $3 AND dirty_since = $4 AND tries = $5",
    )
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Text, _>(&hint.order_sn)
    .bind::<Timestamptz, _>(hint.dirty_since)
    .bind::<SmallInt, _>(hint.tries)
    .bind::<Timestamptz, _>(due_at)
    .execute(tx.conn()?)
    .await?;
    Ok(deferred == 1)
}

fn texts(orders: &[OrderSn]) -> Vec<&str> {
    orders.iter().map(OrderSn::as_str).collect()
}
