//! What the platform answered when somebody last looked at a shop.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A look at a shop's platform.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct PlatformLook {
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub looked_at: DateTime<Utc>,
    /// With which token of the shop.
    #[diesel(sql_type = BigInt)]
    pub token_version: i64,
    /// What cures the reading of the mall; `None` where nothing is wrong.
    #[diesel(sql_type = Nullable<Text>)]
    pub credentials: Option<String>,
    /// What cures the clock.
    #[diesel(sql_type = Nullable<Text>)]
    pub clock: Option<String>,
}

/// Keeps what was seen; of two who look at the same time the later one is kept.
///
/// # Errors
/// A constraint refuses a shop of another merchant.
pub async fn upsert(tx: &mut TenantTx, shop: ShopId, look: &PlatformLook) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO platform_looks AS l (merchant_id, shop_id, looked_at, token_version, credentials, clock)
         VALUES ($1, $2, $3, $4, $5, $6)
         ON CONFLICT (merchant_id, shop_id) DO UPDATE SET looked_at = excluded.looked_at,
             token_version = excluded.token_version, credentials = excluded.credentials, clock = excluded.clock
         WHERE l.looked_at <= excluded.looked_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(look.looked_at)
    .bind::<BigInt, _>(look.token_version)
    .bind::<Nullable<Text>, _>(look.credentials.as_deref())
    .bind::<Nullable<Text>, _>(look.clock.as_deref())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns the last look at a shop, if there was one.
///
/// # Errors
/// When the statement fails.
pub async fn find(tx: &mut TenantTx, shop: ShopId) -> Result<Option<PlatformLook>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT looked_at, token_version, credentials, clock FROM platform_looks
             WHERE merchant_id = $1 AND shop_id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}
