//! Redemption rules of a merchant, in their order; the body is the domain's and versioned.

use diesel::QueryableByName;
use diesel::sql_types::{Array, Bool, Integer, Jsonb, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::RuleId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A rule.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct RuleRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: RuleId,
    /// Its place: the first rule that matches wins.
    #[diesel(sql_type = Integer)]
    pub position: i32,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub name: String,
    /// `domain::redemption_rules::Rule` without id and name.
    #[diesel(sql_type = Jsonb)]
    pub body: serde_json::Value,
    /// Whether it counts.
    #[diesel(sql_type = Bool)]
    pub enabled: bool,
}

/// Lists the rules in their order.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<RuleRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, position, name, body, enabled FROM redemption_rules
             WHERE merchant_id = $1 ORDER BY position LIMIT 1000")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .load(tx.conn()?)
    .await?)
}

/// Inserts a rule behind all others.
///
/// # Errors
/// Constraints refuse an empty or overlong name; two inserts at once may collide on the place, and one is to be
/// repeated.
pub async fn insert(tx: &mut TenantTx, rule: RuleId, name: &str, body: &serde_json::Value) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO redemption_rules (id, merchant_id, position, name, body)
         SELECT $2, $1, coalesce(max(position), 0) + 1, $3, $4 FROM redemption_rules WHERE merchant_id = $1")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(rule.as_uuid())
    .bind::<Text, _>(name)
    .bind::<Jsonb, _>(body)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Changes a rule; its place stays.
///
/// # Errors
/// [`StoreError::NotFound`] for a rule of another merchant.
pub async fn update(tx: &mut TenantTx, rule: &RuleRow) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let changed =
        sql("UPDATE redemption_rules SET name = $3, body = $4, enabled = $5 WHERE merchant_id = $1 AND id = $2")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(rule.id.as_uuid())
            .bind::<Text, _>(&rule.name)
            .bind::<Jsonb, _>(&rule.body)
            .bind::<Bool, _>(rule.enabled)
            .execute(tx.conn()?)
            .await?;
    if changed == 0 { Err(StoreError::NotFound("redemption rule")) } else { Ok(()) }
}

/// Deletes a rule.
///
/// # Errors
/// [`StoreError::NotFound`] for a rule of another merchant.
pub async fn delete(tx: &mut TenantTx, rule: RuleId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let deleted = sql("DELETE FROM redemption_rules WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(rule.as_uuid())
        .execute(tx.conn()?)
        .await?;
    if deleted == 0 { Err(StoreError::NotFound("redemption rule")) } else { Ok(()) }
}

/// Gives the rules a new order; rules that are not named go behind those that are, in the order they have.
///
/// # Errors
/// When the statement fails.
pub async fn update_order(tx: &mut TenantTx, order: &[RuleId]) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    // The constraint on places is checked at the end of the transaction, so rules may pass one another.
    sql("UPDATE redemption_rules r SET position = o.position
           FROM (SELECT q.id, row_number() OVER (ORDER BY g.n NULLS LAST, q.position)::integer AS position
                   FROM redemption_rules q
                   LEFT JOIN unnest($2::uuid[]) WITH ORDINALITY AS g (id, n) ON g.id = q.id
                  WHERE q.merchant_id = $1) o
          WHERE r.merchant_id = $1 AND r.id = o.id AND r.position <> o.position")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(order.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
