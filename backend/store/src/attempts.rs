//! Attempts to hand a delivery over: the row that says a call is about to be made, and how it ended.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{AttemptId, AttemptState, DataKeyId, DeliveryId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{at_most, parsed, sql};
use crate::tx::TenantTx;

/// Place of a sealed payload; the row is the delivery, so that every attempt carries the same bytes.
pub const PAYLOAD: &str = "delivery_attempts.payload_sealed";

/// An attempt that starts.
#[derive(Debug, Clone)]
pub struct NewAttempt {
    /// Its id.
    pub id: AttemptId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// From 1.
    pub n: i32,
    /// The delivery method.
    pub method: &'static str,
    /// Derived from the delivery; the same for every attempt.
    pub idempotency_key: String,
    /// Seals the payload.
    pub data_key: DataKeyId,
    /// The exact business parameters, sealed.
    pub payload_sealed: Vec<u8>,
    /// Their sha256.
    pub payload_hash: Vec<u8>,
    /// What the gate was opened on.
    pub evidence: serde_json::Value,
    /// When that was read.
    pub evidence_at: DateTime<Utc>,
    /// The fence of the delivery from here on.
    pub fence: i64,
}

/// Inserts attempts as started at `now`: from here on they may leave this machine until `deadline`.
///
/// # Errors
/// When the evidence is too old, the payload is not the delivery's one payload, or another attempt is under way.
pub async fn start(
    tx: &TenantTx,
    news: &[NewAttempt],
    now: DateTime<Utc>,
    deadline: DateTime<Utc>,
) -> Result<(), StoreError> {
    if news.is_empty() {
        return Ok(());
    }
    sql("INSERT INTO delivery_attempts (merchant_id, state, started_at, send_deadline, id, delivery_id, n, method,
             idempotency_key, data_key_id, payload_sealed, payload_hash, evidence, evidence_at, fence)
         SELECT $1, 'started', $2, $3, i.* FROM unnest($4::uuid[], $5::uuid[], $6::integer[], $7::text[], $8::text[],
             $9::uuid[], $10::bytea[], $11::bytea[], $12::jsonb[], $13::timestamptz[], $14::bigint[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(now)
    .bind::<Timestamptz, _>(deadline)
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.delivery.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(news.iter().map(|new| new.n).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|new| new.method).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(news.iter().map(|new| new.idempotency_key.as_str()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(news.iter().map(|new| new.data_key.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(news.iter().map(|new| new.payload_sealed.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(news.iter().map(|new| new.payload_hash.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Jsonb>, _>(news.iter().map(|new| &new.evidence).collect::<Vec<_>>())
    .bind::<Array<Timestamptz>, _>(news.iter().map(|new| new.evidence_at).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(news.iter().map(|new| new.fence).collect::<Vec<_>>())
    .execute(&mut tx.shared()?)
    .await?;
    Ok(())
}

/// How an attempt ended.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// Which.
    pub id: AttemptId,
    /// The fence it was started with.
    pub fence: i64,
    /// Its new state.
    pub state: AttemptState,
    /// The platform's answer, without contents.
    pub outcome: serde_json::Value,
}

// The LIMIT is for the planner, see orders::TRANSITION.
pub(crate) const END: &str = "UPDATE delivery_attempts a SET state = i.state, outcome = i.outcome, ended_at = $2
              FROM (SELECT * FROM unnest($3::uuid[], $4::bigint[], $5::text[], $6::jsonb[])
                        AS u (id, fence, state, outcome) LIMIT $7) AS i
             WHERE a.merchant_id = $1 AND a.id = i.id AND a.fence = i.fence AND a.state = 'started'";

/// Ends attempts that are still started under their fence.
///
/// # Errors
/// When the connection is lost.
pub async fn end(tx: &TenantTx, ends: &[AttemptEnd], now: DateTime<Utc>) -> Result<usize, StoreError> {
    if ends.is_empty() {
        return Ok(0);
    }
    Ok(sql(END)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Timestamptz, _>(now)
        .bind::<Array<SqlUuid>, _>(ends.iter().map(|end| end.id.as_uuid()).collect::<Vec<_>>())
        .bind::<Array<BigInt>, _>(ends.iter().map(|end| end.fence).collect::<Vec<_>>())
        .bind::<Array<Text>, _>(ends.iter().map(|end| end.state.as_str()).collect::<Vec<_>>())
        .bind::<Array<Jsonb>, _>(ends.iter().map(|end| &end.outcome).collect::<Vec<_>>())
        .bind::<BigInt, _>(at_most(ends))
        .execute(&mut tx.shared()?)
        .await?)
}

/// Settles every attempt of a delivery whose outcome is open.
///
/// # Errors
/// When the connection is lost.
pub async fn resolve_open(
    tx: &mut TenantTx,
    delivery: DeliveryId,
    state: AttemptState,
    outcome: &serde_json::Value,
    now: DateTime<Utc>,
) -> Result<usize, StoreError> {
    Ok(sql("UPDATE delivery_attempts SET state = $3, outcome = outcome || $4, ended_at = $5
             WHERE merchant_id = $1 AND delivery_id = $2 AND state IN ('started', 'unknown') AND state <> $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .bind::<Text, _>(state.as_str())
    .bind::<Jsonb, _>(outcome)
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?)
}

/// An attempt as it is read.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct AttemptRow {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub delivery_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub n: i32,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    pub idempotency_key: String,
    #[diesel(sql_type = SqlUuid)]
    data_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub payload_sealed: Vec<u8>,
    #[diesel(sql_type = Bytea)]
    pub payload_hash: Vec<u8>,
    #[diesel(sql_type = Jsonb)]
    pub evidence: serde_json::Value,
    #[diesel(sql_type = Timestamptz)]
    pub evidence_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub started_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub send_deadline: Option<DateTime<Utc>>,
    #[diesel(sql_type = Jsonb)]
    pub outcome: serde_json::Value,
}

impl AttemptRow {
    /// Returns the state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<AttemptState, StoreError> {
        parsed(&self.state)
    }

    /// Returns the key that seals the payload.
    #[must_use]
    pub const fn data_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.data_key_id)
    }
}

pub(crate) const LIST: &str =
    "SELECT id, delivery_id, n, state, idempotency_key, data_key_id, payload_sealed, payload_hash, evidence,
                   evidence_at, started_at, send_deadline, outcome
              FROM delivery_attempts WHERE merchant_id = $1 AND delivery_id = ANY ($2) ORDER BY delivery_id, n";

/// Lists the attempts of deliveries, in order.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<Vec<AttemptRow>, StoreError> {
    Ok(sql(LIST)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

pub(crate) const COUNT: &str = "SELECT count(*) AS n FROM delivery_attempts
             WHERE merchant_id = $1 AND id = ANY ($2) AND state = 'started'";

/// Counts which of these attempts exist and are started: what a lost COMMIT is asked about.
///
/// # Errors
/// When the connection is lost.
pub async fn count(tx: &mut TenantTx, ids: &[AttemptId]) -> Result<usize, StoreError> {
    #[derive(QueryableByName)]
    struct Counted {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let counted: Counted = sql(COUNT)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(ids.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .get_result(tx.conn()?)
        .await?;
    Ok(usize::try_from(counted.n).unwrap_or(0))
}

/// Returns whether an attempt of the delivery has an unknown outcome.
///
/// # Errors
/// When the connection is lost.
pub async fn has_unknown(tx: &mut TenantTx, delivery: DeliveryId) -> Result<bool, StoreError> {
    Ok(list(tx, &[delivery]).await?.iter().any(|attempt| matches!(attempt.state(), Ok(AttemptState::Unknown))))
}

/// Makes attempts whose sender is gone unknown; the caller has raised the delivery's fence.
///
/// # Errors
/// When the connection is lost.
pub async fn expire_started(tx: &mut TenantTx, delivery: DeliveryId, now: DateTime<Utc>) -> Result<usize, StoreError> {
    Ok(sql("UPDATE delivery_attempts SET state = 'unknown', ended_at = $3
             WHERE merchant_id = $1 AND delivery_id = $2 AND state = 'started'")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .bind::<Timestamptz, _>(now)
    .execute(tx.conn()?)
    .await?)
}
