//! The audit log: acts of people, append-only, each chained to the one before.
//!
//! ```text
//! audit_log   … seq 41, hash h41 ──► seq 42: prev_hash h41, hash = sha256(h41, all of the row)      one line per merchant
//! audit_heads                                                └── seq 42, h42: the end, written by the trigger only
//! ```
//! The application may add and read, no more; a trigger numbers and chains what it adds. Whoever alters, removes or puts
//! in a row with stronger rights breaks the line at that place, and whoever cuts its end off disagrees with the head:
//! [`find_break`] tells. Old months are removed by the owner's hand, so a line may begin anywhere.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
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
    /// Where from, without the last part; empty for the engine.
    pub ip: &'a str,
    /// Before, after, and more for people; never secrets, card contents or buyer data.
    pub detail: serde_json::Value,
    /// When.
    pub at: DateTime<Utc>,
}

/// An act.
#[derive(Debug, Clone, PartialEq, QueryableByName)]
pub struct AuditRow {
    /// Its place in the merchant's line.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
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
    /// Found again in logs.
    #[diesel(sql_type = Text)]
    pub request_id: String,
    /// Where from.
    #[diesel(sql_type = Text)]
    pub ip: String,
    /// More.
    #[diesel(sql_type = Jsonb)]
    pub detail: serde_json::Value,
}

/// Which acts are asked for; what is `None` does not matter.
#[derive(Debug, Clone, Copy)]
pub struct AuditFilter<'a> {
    /// By whom, exactly.
    pub actor: Option<&'a str>,
    /// By whoever's name begins so.
    pub actor_kind: Option<&'a str>,
    /// Any of these.
    pub actions: Option<&'a [&'a str]>,
    /// To what, exactly.
    pub target: Option<&'a str>,
    /// Not before.
    pub from: Option<DateTime<Utc>>,
    /// Before.
    pub to: Option<DateTime<Utc>>,
    /// In front of this place of the line: the last one of the page before.
    pub before_seq: Option<i64>,
}

impl AuditFilter<'_> {
    /// Asks for all acts.
    pub const ALL: Self =
        Self { actor: None, actor_kind: None, actions: None, target: None, from: None, to: None, before_seq: None };
}

/// Appends an act, in the transaction that does it; as its last statement, because it locks the end of the line.
///
/// # Errors
/// When the statement fails.
pub async fn insert(tx: &mut TenantTx, new: &NewAudit<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO audit_log (id, at, merchant_id, actor, action, target, request_id, detail, ip)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<Timestamptz, _>(new.at)
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.actor)
    .bind::<Text, _>(new.action)
    .bind::<Text, _>(new.target)
    .bind::<Text, _>(new.request_id)
    .bind::<Jsonb, _>(&new.detail)
    .bind::<Text, _>(new.ip)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists acts, the latest first. Index audit_log_chain.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, filter: &AuditFilter<'_>, limit: i64) -> Result<Vec<AuditRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT seq, at, actor, action, target, request_id, ip, detail FROM audit_log
             WHERE merchant_id = $1
               AND ($2 IS NULL OR actor = $2)
               AND ($3 IS NULL OR action = ANY ($3))
               AND ($4 IS NULL OR target = $4)
               AND ($5 IS NULL OR at >= $5) AND ($6 IS NULL OR at < $6)
               AND ($7 IS NULL OR seq < $7)
               AND ($9 IS NULL OR starts_with(actor, $9))
             ORDER BY seq DESC LIMIT $8")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Nullable<Text>, _>(filter.actor)
    .bind::<Nullable<Array<Text>>, _>(filter.actions)
    .bind::<Nullable<Text>, _>(filter.target)
    .bind::<Nullable<Timestamptz>, _>(filter.from)
    .bind::<Nullable<Timestamptz>, _>(filter.to)
    .bind::<Nullable<BigInt>, _>(filter.before_seq)
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Text>, _>(filter.actor_kind)
    .load(tx.conn()?)
    .await?)
}

/// Counts how often any of these did something since a moment. Index audit_log_of_merchant.
///
/// After an [`insert`] of the same transaction nobody else can add to the line, so the count is exact until the end.
///
/// # Errors
/// When the statement fails.
pub async fn count_since(
    tx: &mut TenantTx,
    (actors, action): (&[String], &str),
    since: DateTime<Utc>,
) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let merchant = tx.merchant();
    let counted: Counted = sql("SELECT count(*) AS n FROM audit_log
                                 WHERE merchant_id = $1 AND actor = ANY ($2) AND action = $3 AND at >= $4")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<Text>, _>(actors)
    .bind::<Text, _>(action)
    .bind::<Timestamptz, _>(since)
    .get_result(tx.conn()?)
    .await?;
    Ok(counted.n)
}

/// Where a merchant's line of acts is not what was written.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct AuditBreak {
    /// The first place that does not fit.
    #[diesel(sql_type = BigInt)]
    pub seq: i64,
    /// `altered`, `missing` or `cut_off`.
    #[diesel(sql_type = Text)]
    pub what: String,
}

/// Computes the merchant's whole line again and returns where it first does not fit.
///
/// # Errors
/// When the statement fails.
pub async fn find_break(tx: &mut TenantTx) -> Result<Option<AuditBreak>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT b.seq, b.what FROM (
                SELECT l.seq, CASE WHEN l.hash <> l.computed THEN 'altered'
                                   WHEN l.before_seq IS NOT NULL AND l.before_seq <> l.seq - 1 THEN 'missing'
                                   WHEN l.before_hash IS NOT NULL AND l.before_hash <> l.prev_hash THEN 'altered' END AS what
                  FROM (SELECT a.seq, a.prev_hash, a.hash, lag(a.seq) OVER line AS before_seq,
                               lag(a.hash) OVER line AS before_hash,
                               audit_hash(a.prev_hash, a.merchant_id, a.seq, a.id, a.at, a.actor, a.action, a.target,
                                          a.request_id, a.ip, a.detail) AS computed
                          FROM audit_log a WHERE a.merchant_id = $1 WINDOW line AS (ORDER BY a.seq)) l
                UNION ALL
                SELECT h.seq, 'cut_off' FROM audit_heads h
                 WHERE h.merchant_id = $1
                   AND NOT EXISTS (SELECT FROM audit_log a WHERE a.merchant_id = $1 AND a.seq = h.seq AND a.hash = h.hash)
                   AND EXISTS (SELECT FROM audit_log a WHERE a.merchant_id = $1)) b
             WHERE b.what IS NOT NULL ORDER BY b.seq LIMIT 1")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}
