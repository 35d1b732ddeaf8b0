//! Daily Merkle roots over the heads of a merchant's card ledger.

use chrono::{DateTime, NaiveDate, Utc};
use diesel::sql_types::{BigInt, Bytea, Date, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::CardUseId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// The last entry of a use's chain before a moment.
#[derive(Debug, Clone, QueryableByName)]
pub struct Head {
    #[diesel(sql_type = SqlUuid)]
    card_use_id: Uuid,
    /// Its hash.
    #[diesel(sql_type = Bytea)]
    pub hash: Vec<u8>,
}

impl Head {
    /// Returns the use.
    #[must_use]
    pub const fn card_use(&self) -> CardUseId {
        CardUseId::from_uuid(self.card_use_id)
    }
}

/// Lists the heads as they were before a moment, by use, from behind `after`. The ledger is append-only, so the same
/// question has the same answer for ever. Primary key of card_ledger.
///
/// # Errors
/// When the connection is lost.
pub async fn list_heads(
    tx: &mut TenantTx,
    before: DateTime<Utc>,
    after: Option<CardUseId>,
    limit: i64,
) -> Result<Vec<Head>, StoreError> {
    Ok(sql("SELECT u.id AS card_use_id, h.hash FROM card_uses u
             CROSS JOIN LATERAL (SELECT l.hash FROM card_ledger l
                                  WHERE l.card_use_id = u.id AND l.merchant_id = $1 AND l.at < $2
                                  ORDER BY l.seq DESC LIMIT 1) h
             WHERE u.merchant_id = $1 AND u.id > $3 ORDER BY u.id LIMIT $4")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Timestamptz, _>(before)
    .bind::<SqlUuid, _>(after.map_or_else(Uuid::nil, CardUseId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// A day's root.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct RootRow {
    /// Uses it covers.
    #[diesel(sql_type = BigInt)]
    pub uses: i64,
    /// The root.
    #[diesel(sql_type = Bytea)]
    pub root: Vec<u8>,
}

/// Finds the root of a day.
///
/// # Errors
/// When the connection is lost.
pub async fn find(tx: &mut TenantTx, day: NaiveDate) -> Result<Option<RootRow>, StoreError> {
    Ok(sql("SELECT uses, root FROM card_ledger_roots WHERE merchant_id = $1 AND day = $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Date, _>(day)
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// A day that has a root.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct SealedDay {
    /// The day.
    #[diesel(sql_type = Date)]
    pub day: NaiveDate,
    /// Uses its root covers.
    #[diesel(sql_type = BigInt)]
    pub uses: i64,
    /// Its root.
    #[diesel(sql_type = Bytea)]
    pub root: Vec<u8>,
}

/// Lists the latest days that have a root, the latest first.
///
/// # Errors
/// When the connection is lost.
pub async fn list_latest(tx: &mut TenantTx, limit: i64) -> Result<Vec<SealedDay>, StoreError> {
    Ok(sql("SELECT day, uses, root FROM card_ledger_roots WHERE merchant_id = $1 ORDER BY day DESC LIMIT $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Inserts the root of a day; one that is there stays.
///
/// # Errors
/// When the connection is lost.
pub async fn insert(tx: &mut TenantTx, day: NaiveDate, root: &RootRow) -> Result<(), StoreError> {
    sql("INSERT INTO card_ledger_roots (merchant_id, day, uses, root) VALUES ($1, $2, $3, $4)
         ON CONFLICT (merchant_id, day) DO NOTHING")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Date, _>(day)
    .bind::<BigInt, _>(root.uses)
    .bind::<Bytea, _>(root.root.as_slice())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
