//! What a shop has under way that a pause holds back: counted for banners, and in the order in which it goes on.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, QueryableByName)]
pub struct HeldWork {
    /// Deliveries that have not left us.
    #[diesel(sql_type = BigInt)]
    pub deliveries: i64,
    /// Redemptions that were not called for.
    #[diesel(sql_type = BigInt)]
    pub redemptions: i64,
}

/// A delivery that goes on first.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct NextDelivery {
    /// The order.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    /// Until when it must be shipped.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub last_ship_at: Option<DateTime<Utc>>,
}

/// Counts a shop's work that a pause of it would hold back. Indexes deliveries_due, redemptions_due.
///
/// # Errors
/// When the statement fails.
pub async fn count(tx: &mut TenantTx, shop: ShopId) -> Result<HeldWork, StoreError> {
    Ok(sql("SELECT (SELECT count(*) FROM deliveries
                     WHERE merchant_id = $1 AND shop_id = $2 AND due_at IS NOT NULL AND state IN ('pending', 'reserved')
                       AND method NOT IN ('platform_pool', 'platform_codes')) AS deliveries,
                   (SELECT count(*) FROM redemptions
                     WHERE merchant_id = $1 AND shop_id = $2 AND due_at IS NOT NULL AND state = 'waiting') AS redemptions")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await?)
}

/// Lists the deliveries that go on first when a pause ends, as a tick takes them. Index deliveries_due.
///
/// # Errors
/// When the statement fails.
pub async fn list_next(tx: &mut TenantTx, shop: ShopId, limit: i64) -> Result<Vec<NextDelivery>, StoreError> {
    Ok(sql("SELECT order_sn, last_ship_at FROM deliveries
             WHERE merchant_id = $1 AND shop_id = $2 AND due_at IS NOT NULL AND state IN ('pending', 'reserved')
               AND method NOT IN ('platform_pool', 'platform_codes')
             ORDER BY last_ship_at NULLS LAST, due_at LIMIT $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
