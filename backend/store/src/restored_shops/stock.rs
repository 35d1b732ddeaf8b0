//! Stock that a restore has quarantined, and its way back by a person's decision.
//!
//! Cards leave a pool in one order, the soonest to expire first, then the oldest. So those that may have been handed out
//! between the snapshot and the loss lie at its front, and whoever knows how many at most were needed knows which ones
//! never were. That number is a person's to say: what was voided, paused, moved, uploaded to the platform, or mapped to
//! the pool after the snapshot is lost as well. [`list`] counts what reconciling has found, as a suggestion.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Bool, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardUseId, CardUseState, PoolId};
use uuid::Uuid;

use crate::card_uses::{self, LineChange, Transition};
use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Uses moved by one statement.
const CHUNK: usize = 5_000;

/// A pool with quarantined stock.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct RestoredPool {
    /// The pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// Uses that the restore has quarantined and nobody has released.
    #[diesel(sql_type = BigInt)]
    pub quarantined: i64,
    /// Cards that orders updated since the snapshot may have taken, as far as reconciling has found them.
    #[diesel(sql_type = BigInt)]
    pub wanted_since: i64,
    /// Whether cards of the pool may lie in the platform's stock: then the count of orders says nothing.
    #[diesel(sql_type = Bool)]
    pub uploads: bool,
    /// Whether every shop that takes from the pool was reconciled.
    #[diesel(sql_type = Bool)]
    pub reconciled: bool,
}

/// Lists the merchant's pools that hold quarantined stock of a restore.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<RestoredPool>, StoreError> {
    Ok(sql("SELECT p.id AS pool, p.name, q.n AS quarantined, coalesce(w.n, 0) AS wanted_since,
                   coalesce(m.uploads, false) AS uploads, coalesce(m.reconciled, true) AS reconciled
              FROM card_pools p
              JOIN (SELECT u.pool_id, count(*) AS n FROM card_uses u
                     WHERE u.merchant_id = $1 AND u.state = 'quarantined' AND u.state_cause = 'restored_stock'
                     GROUP BY u.pool_id) q ON q.pool_id = p.id
              LEFT JOIN (SELECT g.pool_id, bool_or(g.delivery_method = 'platform_pool') AS uploads,
                                bool_and(s.restored_at IS NULL OR s.reconciled_at IS NOT NULL OR s.state = 'disconnected')
                                    AS reconciled
                           FROM sku_mappings g JOIN skus k ON k.id = g.sku_id AND k.merchant_id = g.merchant_id
                           JOIN shops s ON s.id = k.shop_id AND s.merchant_id = k.merchant_id
                          WHERE g.merchant_id = $1 GROUP BY g.pool_id) m ON m.pool_id = p.id
              LEFT JOIN (SELECT g.pool_id, sum(o.goods_count::bigint * g.cards_per_unit)::bigint AS n
                           FROM orders o JOIN shops s ON s.id = o.shop_id AND s.merchant_id = o.merchant_id
                           JOIN skus k ON k.shop_id = o.shop_id AND k.platform_sku_id = o.platform_sku_id
                                      AND k.merchant_id = o.merchant_id
                           JOIN sku_mappings g ON g.sku_id = k.id AND g.merchant_id = k.merchant_id
                          WHERE o.merchant_id = $1 AND s.restored_at IS NOT NULL
                            AND o.updated_at >= s.restored_snapshot_at - interval '5 minutes'
                            AND (o.delivered_at IS NULL OR o.delivered_at >= s.restored_snapshot_at)
                          GROUP BY g.pool_id) w ON w.pool_id = p.id
             WHERE p.merchant_id = $1 ORDER BY p.name, p.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Puts a pool's quarantined stock back, all but the first `keep` uses in the order of the claim; returns how many.
///
/// The pool is locked by the caller, who wakes those who wait for its cards. Uses that are known to have left us stay
/// where they are whatever is asked.
///
/// # Errors
/// When a statement fails.
pub async fn release(tx: &mut TenantTx, pool: PoolId, keep: i64, at: DateTime<Utc>) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Behind {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: CardUseId,
    }
    let behind: Vec<Behind> = sql("SELECT u.id FROM card_uses u
             WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'quarantined' AND u.state_cause = 'restored_stock'
               AND NOT u.exposed
             ORDER BY u.expires_at NULLS LAST, u.id OFFSET $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<BigInt, _>(keep.max(0))
    .load(tx.conn()?)
    .await?;
    let uses: Vec<CardUseId> = behind.into_iter().map(|row| row.id).collect();
    let mut released = 0;
    for chunk in uses.chunks(CHUNK) {
        let change = Transition {
            uses: chunk,
            from: CardUseState::Quarantined,
            to: CardUseState::Available,
            cause: "cleared_by_person",
            event: "cleared_by_person",
            delivery: None,
            line: LineChange::Keep,
            at,
        };
        released += card_uses::transition(tx, &change).await?.len();
    }
    Ok(released)
}
