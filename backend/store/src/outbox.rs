//! Follow-up work written in the transaction that causes it; the relay takes it from there.

use diesel::sql_types::{Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Pushes one row; the payload holds ids only.
///
/// # Errors
/// When the connection is lost.
pub async fn push(tx: &mut TenantTx, topic: &str, payload: serde_json::Value) -> Result<(), StoreError> {
    sql("INSERT INTO outbox (merchant_id, id, topic, payload) VALUES ($1, $2, $3, $4)")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(Uuid::now_v7())
        .bind::<Text, _>(topic)
        .bind::<Jsonb, _>(payload)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
