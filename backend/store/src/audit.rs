//! The audit log: acts of people, append-only.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An act to write down.
#[derive(Debug, Clone)]
pub struct NewAudit<'a> {
    /// Who.
    pub actor: &'a str,
    /// Did what, `area.verb`.
    pub action: &'a str,
    /// To what: an id with its prefix.
    pub target: &'a str,
    /// Found again in logs.
    pub request_id: &'a str,
    /// More, for people; never secrets, card contents or buyer data.
    pub detail: serde_json::Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// An act.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct AuditRow {
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
    /// Who.
    #[diesel(sql_type = Text)]
    pub actor: String,
    /// Did what.
    #[diesel(sql_type = Text)]
    pub action: String,
    /// To what.
    #[diesel(sql_type = Text)]
    pub target: String,
    /// More.
    #[diesel(sql_type = Jsonb)]
    pub detail: serde_json::Value,
}

/// Appends an act, in the transaction that does it.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, new: &NewAudit<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO audit_log (id, at, merchant_id, actor, action, target, request_id, detail)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Timestamptz, _>(new.at)
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.actor)
    .bind::<Text, _>(new.action)
    .bind::<Text, _>(new.target)
    .bind::<Text, _>(new.request_id)
    .bind::<Jsonb, _>(&new.detail)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists acts before a moment, newest first. Index audit_log_of_merchant.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT at, actor, action, target, detail FROM audit_log
             WHERE merchant_id = $1 AND at < $2 ORDER BY at DESC, id DESC LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
