//! Requests to let a connected mall go, because its owner authorized another merchant here.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{GatewayKind, MallId, ShopId, TakeOverId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A request that waits for an answer.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct TakeOverRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: TakeOverId,
    /// The shop whose mall is wanted.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// The name of the merchant who asks.
    #[diesel(sql_type = Text)]
    pub asked_by_name: String,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub asked_at: DateTime<Utc>,
}

/// Asks whoever has connected a mall to let it go; `request` is the authorization that has just come back.
///
/// # Errors
/// When the statement fails.
pub async fn ask(
    tx: &mut TenantTx,
    request: Uuid,
    gateway: GatewayKind,
    mall: MallId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    sql("SELECT system_ask_take_over($1, $2, $3, $4)")
        .bind::<SqlUuid, _>(request)
        .bind::<Text, _>(gateway.as_str())
        .bind::<BigInt, _>(mall.0)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lists requests about the merchant's malls that wait for an answer, the oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_open(tx: &mut TenantTx, limit: i64) -> Result<Vec<TakeOverRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, shop_id AS shop, asked_by_name, asked_at FROM take_over_requests
             WHERE merchant_id = $1 AND answer IS NULL ORDER BY asked_at, id LIMIT $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Answers a request; returns which shop it is about, `None` when it was answered already.
///
/// # Errors
/// When the statement fails.
pub async fn update_answered(
    tx: &mut TenantTx,
    id: TakeOverId,
    answer: &str,
    at: DateTime<Utc>,
) -> Result<Option<ShopId>, StoreError> {
    #[derive(QueryableByName)]
    struct Answered {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        shop: ShopId,
    }
    let merchant = tx.merchant();
    let answered: Option<Answered> = sql("UPDATE take_over_requests SET answer = $3, answered_at = $4
          WHERE merchant_id = $1 AND id = $2 AND answer IS NULL RETURNING shop_id AS shop")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Text, _>(answer)
    .bind::<Timestamptz, _>(at)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    Ok(answered.map(|answered| answered.shop))
}
