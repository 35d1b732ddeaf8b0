//! Whether a process may work on a database: the schema is its own, and its key ring opens what is stored.
//!
//! A program that does not know a column may write a state that the column forbids, and one that lacks a master key
//! fails at the first card it has to hand over. Both are better known before the first order.

use std::fmt;

use diesel::sql_types::{BigInt, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension as _, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, MerchantId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::keys::SealError;
use crate::migrate::{self, SchemaState};
use crate::pool::Store;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};

/// Why a process must not work on a database. Its text says what is wrong and what helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The schema is not this program's.
    Schema(SchemaState),
    /// Data keys are wrapped by a master key that is not in the ring.
    MasterKeyMissing {
        /// The master key's id.
        id: String,
        /// How many data keys it wraps.
        data_keys: i64,
    },
    /// The ring has a key of this name, but it is another one.
    MasterKeyWrong {
        /// The master key's id.
        id: String,
    },
}

/// A master key that data keys are wrapped by.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct MasterKeyUse {
    /// The master key.
    #[diesel(sql_type = Text)]
    pub id: String,
    /// How many data keys it wraps.
    #[diesel(sql_type = BigInt)]
    pub data_keys: i64,
    /// Whose the newest of them is.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// The newest of them.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key: DataKeyId,
}

impl Obstacle {
    /// Returns whether the database is behind or beside this program, so that running statements makes no sense.
    #[must_use]
    pub const fn is_of_schema(&self) -> bool {
        matches!(self, Self::Schema(_))
    }

    /// Says what helps, beginning with a verb.
    #[must_use]
    pub fn cure(&self) -> String {
        match self {
            Self::Schema(SchemaState::Newer(_)) => "run the program of that version".to_owned(),
            Self::Schema(_) => "run `kamiflow migrate` as kamiflow_owner".to_owned(),
            Self::MasterKeyMissing { id, .. } => {
                format!("add `{id}` to the key ring and keep it there until `kamiflow rotate-keys` has ended")
            }
            Self::MasterKeyWrong { id } => format!("put the key back that `{id}` stood for, from its backup"),
        }
    }
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(SchemaState::Current) => f.write_str("the schema is up to date"),
            Self::Schema(SchemaState::Unmigrated) => f.write_str("the database has no schema yet"),
            Self::Schema(SchemaState::Older(missing)) => {
                write!(f, "the database is older than this program: {} not applied", missing.join(", "))
            }
            Self::Schema(SchemaState::Newer(unknown)) => {
                write!(f, "the database is newer than this program, which does not know {}", unknown.join(", "))
            }
            Self::MasterKeyMissing { id, data_keys } => {
                write!(f, "the key ring lacks the master key `{id}`, which wraps {data_keys} data keys")
            }
            Self::MasterKeyWrong { id } => {
                write!(f, "the key ring's `{id}` is not the master key that data keys were wrapped with")
            }
        }
    }
}

/// Lists what keeps a process from working on this database; empty when it may.
///
/// # Errors
/// When the database cannot be reached or a statement fails.
pub async fn list_obstacles(store: &Store) -> Result<Vec<Obstacle>, StoreError> {
    // Which migrations were applied, and which master keys are in use: no tenant's rows.
    let mut tx = store.system_tx().await?;
    let state = migrate::fetch_state(&mut tx).await?;
    if state != SchemaState::Current {
        return Ok(vec![Obstacle::Schema(state)]);
    }
    let used = list_master_keys(&mut tx).await?;
    tx.commit().await?;
    let mut obstacles = Vec::new();
    for key in used {
        obstacles.extend(try_master_key(store, &key).await?);
    }
    Ok(obstacles)
}

/// Lists the master keys in use.
///
/// # Errors
/// When the statement fails.
pub async fn list_master_keys(tx: &mut SystemTx) -> Result<Vec<MasterKeyUse>, StoreError> {
    Ok(sql("SELECT master_key_id AS id, n AS data_keys, merchant_id AS merchant, data_key_id AS data_key
              FROM system_master_keys()")
    .load(tx.conn()?)
    .await?)
}

/// Lists all data keys of the transaction's merchant, retired ones too.
///
/// # Errors
/// When the statement fails.
pub async fn list_data_keys(tx: &mut TenantTx) -> Result<Vec<DataKeyId>, StoreError> {
    #[derive(QueryableByName)]
    struct Key {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: DataKeyId,
    }
    let rows: Vec<Key> = sql("SELECT id FROM data_keys WHERE merchant_id = $1 ORDER BY created_at, id")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}

/// Unwraps one data key with a master key, without remembering it.
async fn try_master_key(store: &Store, key: &MasterKeyUse) -> Result<Option<Obstacle>, StoreError> {
    #[derive(QueryableByName)]
    struct Wrapped {
        #[diesel(sql_type = Text)]
        master: String,
        #[diesel(sql_type = diesel::sql_types::Bytea)]
        wrapped: Vec<u8>,
    }
    let mut tx = store.tenant_tx(key.merchant).await?;
    let row: Option<Wrapped> =
        sql("SELECT master_key_id AS master, wrapped FROM data_keys WHERE merchant_id = $1 AND id = $2")
            .bind::<SqlUuid, _>(key.merchant.as_uuid())
            .bind::<SqlUuid, _>(key.data_key.as_uuid())
            .get_result(tx.conn()?)
            .await
            .optional()?;
    tx.commit().await?;
    // Wrapped anew in between: the other master key has its own turn.
    let Some(row) = row.filter(|row| row.master == key.id) else { return Ok(None) };
    match store.key_ring().unwrap(key.data_key, key.merchant, &row.master, &row.wrapped) {
        Ok(_) => Ok(None),
        Err(SealError::MasterKeyMissing(id)) => Ok(Some(Obstacle::MasterKeyMissing { id, data_keys: key.data_keys })),
        Err(SealError::DoesNotOpen) => Ok(Some(Obstacle::MasterKeyWrong { id: key.id.clone() })),
        Err(error) => Err(error.into()),
    }
}
