//! The fulfiller's queue: charges that somebody must make before SUCCESS may be reported.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::DeliveryId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// How a charge stands.
#[derive(Debug, Clone, QueryableByName)]
pub struct ChargeState {
    /// Its delivery.
    #[diesel(sql_type = SqlUuid)]
    pub delivery_id: Uuid,
    /// `waiting`, `charged` or `failed`.
    #[diesel(sql_type = Text)]
    pub state: String,
}

/// Lists how the charges of deliveries stand.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<Vec<ChargeState>, StoreError> {
    Ok(sql("SELECT delivery_id, state FROM charge_requests WHERE merchant_id = $1 AND delivery_id = ANY ($2)")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

/// Asks for charges; one that was asked for already stays as it is.
///
/// # Errors
/// When the connection is lost.
pub async fn insert(tx: &mut TenantTx, asks: &[(DeliveryId, String)], now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(sql("INSERT INTO charge_requests (merchant_id, asked_at, delivery_id, outer_order_sn)
            SELECT $1, $2, i.* FROM unnest($3::uuid[], $4::text[]) AS i ON CONFLICT (merchant_id, delivery_id) DO NOTHING")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(now)
    .bind::<Array<SqlUuid>, _>(asks.iter().map(|(id, _)| id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(asks.iter().map(|(_, sn)| sn.as_str()).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?)
}

/// Writes the fulfiller's answer down; an answer that is there already stays. Returns whether it was written.
///
/// # Errors
/// When the connection is lost.
pub async fn answer(
    tx: &mut TenantTx,
    delivery: DeliveryId,
    charged: Charged,
    proof: &serde_json::Value,
    now: DateTime<Utc>,
) -> Result<bool, StoreError> {
    // A failed charge may be made after all; a charge that was made stays made.
    let written = sql("UPDATE charge_requests SET state = $3, proof = $4, answered_at = $5
             WHERE merchant_id = $1 AND delivery_id = $2 AND state <> 'charged' AND state <> $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .bind::<Text, _>(charged.as_str())
    .bind::<Jsonb, _>(proof)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?;
    Ok(written == 1)
}

/// What the fulfiller says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charged {
    /// The charge was made.
    Yes,
    /// It could not be made.
    No,
}

impl Charged {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Yes => "charged",
            Self::No => "failed",
        }
    }
}

/// A charge somebody must make.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct WaitingCharge {
    #[diesel(sql_type = SqlUuid)]
    pub delivery_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub shop_id: Uuid,
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Integer)]
    pub quantity: i32,
    #[diesel(sql_type = Timestamptz)]
    pub asked_at: DateTime<Utc>,
}

/// Lists what the fulfiller has to charge, oldest first.
///
/// # Errors
/// When the connection is lost.
pub async fn list_waiting(tx: &mut TenantTx, limit: i64) -> Result<Vec<WaitingCharge>, StoreError> {
    Ok(sql("SELECT c.delivery_id, d.shop_id, d.order_sn, d.lines_expected AS quantity, c.asked_at
              FROM charge_requests c JOIN deliveries d ON d.id = c.delivery_id AND d.merchant_id = c.merchant_id
             WHERE c.merchant_id = $1 AND c.state = 'waiting' ORDER BY c.asked_at, c.delivery_id LIMIT $2")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
