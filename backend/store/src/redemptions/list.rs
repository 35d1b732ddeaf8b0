//! Redemptions of several shops, the newest first.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{RedemptionId, RedemptionState, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// So many are looked at for a page, in all shops together: what is rare may be on a later page.
pub const LOOKED_AT: i64 = 2_000;

/// A redemption in a list.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct ListedRedemption {
    /// Its id; ids rise with the time they were planned.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: RedemptionId,
    /// Its shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// Its order's number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Which use of the line's card, from 1.
    #[diesel(sql_type = Integer)]
    pub use_no: i32,
    /// How it is declared.
    #[diesel(sql_type = Text)]
    pub method: String,
    /// Where it is.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// When the engine looks again by itself.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub due_at: Option<DateTime<Utc>>,
    /// Why it stands there.
    #[diesel(sql_type = Jsonb)]
    pub explanation: serde_json::Value,
    /// Calls so far.
    #[diesel(sql_type = Integer)]
    pub attempts: i32,
    /// When it was planned.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
    /// When the platform took it.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub done_at: Option<DateTime<Utc>>,
    /// Whether it is one of those that are wanted; the last one that was looked at may not be.
    #[diesel(sql_type = Bool)]
    pub is_wanted: bool,
    /// Whether looking ended here, though there is more behind it.
    #[diesel(sql_type = Bool)]
    pub is_end: bool,
}

/// Lists redemptions of shops in front of one, the newest first, one more than `limit` at most; and the last one that was
/// looked at, where looking ended early. Each shop is looked through for itself, so that a small one is found among large
/// ones; what lies behind the place where the first of them was given up is left to the next page. Index
/// redemptions_of_shop.
///
/// # Errors
/// When the statement fails.
pub async fn newest(
    tx: &TenantTx,
    shops: &[ShopId],
    state: Option<RedemptionState>,
    (before, limit): (Option<RedemptionId>, i64),
) -> Result<Vec<ListedRedemption>, StoreError> {
    let share = LOOKED_AT / i64::try_from(shops.len()).unwrap_or(LOOKED_AT).max(1);
    // Without a choice everything is wanted, and more than a page of it is of no use.
    let looked_at = if state.is_none() { limit + 1 } else { share.max(limit + 1) };
    Ok(sql("WITH looked AS (
                SELECT l.* FROM unnest($2::uuid[]) AS s (shop_id) CROSS JOIN LATERAL (
                    SELECT r.id, r.shop_id AS shop, r.order_sn, r.use_no, r.method, r.state, r.due_at, r.explanation, r.attempts,
                           r.created_at, r.done_at, $3 IS NULL OR r.state = $3 AS is_wanted,
                           row_number() OVER (ORDER BY r.id DESC) AS n
                      FROM redemptions r WHERE r.merchant_id = $1 AND r.shop_id = s.shop_id AND r.id < $4
                     ORDER BY r.id DESC LIMIT $5) l),
            given_up AS (SELECT l.id FROM looked l WHERE l.n = $5 ORDER BY l.id DESC LIMIT 1)
            SELECT l.id, l.shop, l.order_sn, l.use_no, l.method, l.state, l.due_at, l.explanation, l.attempts, l.created_at,
                   l.done_at, l.is_wanted, g.id IS NOT NULL AND l.id = g.id AS is_end
              FROM looked l LEFT JOIN given_up g ON true
             WHERE (g.id IS NULL OR l.id >= g.id) AND (l.is_wanted OR l.id = g.id)
             ORDER BY l.id DESC LIMIT $6")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .bind::<Nullable<Text>, _>(state.map(RedemptionState::as_str))
    .bind::<SqlUuid, _>(before.map_or_else(Uuid::max, RedemptionId::as_uuid))
    .bind::<BigInt, _>(looked_at)
    .bind::<BigInt, _>(limit + 1)
    .load(&mut tx.shared()?)
    .await?)
}
