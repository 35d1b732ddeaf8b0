//! Exchanging keys under load: data keys wrapped anew, and every sealed column sealed anew with a new data key.
//!
//! ```text
//! rewrap     data_keys.wrapped   under the ring's active master key; nothing else is touched
//! renew      data_keys           a new active key per merchant, made under that master key
//! reseal     every *_sealed      opened with the key its row names, sealed with the active one, a batch a transaction
//! settle     data_keys           waits for transactions that still seal with a former key; then nothing is left
//! ```
//! **How far it is stands in the rows**: a row names the key that seals it, so whoever runs it again, or at the same
//! time, goes on where the rows say. A crash loses a batch.
//!
//! **Nobody waits.** A batch locks its rows with `SKIP LOCKED` and writes only what it has locked, so it can neither
//! wait for a worker nor be part of a deadlock; what a worker holds is met by a later pass. A worker that wants a row of
//! the batch waits for some milliseconds.
//!
//! **Other processes** go on sealing with the former key until they ask again which one is active
//! ([`ACTIVE_KEY_KEPT`]); a transaction keeps the key it began with. Both still open: former keys are never deleted.
//! [`settle`] is called after that time and waits for the last of those transactions, because a row that names a key
//! holds a lock on it until it is committed.
//!
//! **A new sealed column** gets its line in [`PLACES`]; a test compares the list with the schema.

use std::collections::BTreeMap;
use std::time::Duration;

use diesel::sql_types::{Array, BigInt, Bytea, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, MerchantId, SecretBytes};
use uuid::Uuid;

use crate::accounts::factors::TOTP_SECRET;
use crate::error::StoreError;
use crate::keys::{DataKey, SealError};
use crate::platform_stock::PLATFORM_CODE;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};
use crate::{attempts, cards, mails, pool, shops, sign_ups, system, verification_pictures, verifications};

/// Until then after a new key was made, other processes may still seal with the former one.
pub const ACTIVE_KEY_KEPT: Duration = pool::ACTIVE_KEY_KEPT;

/// A table with sealed columns.
#[derive(Debug)]
pub struct Place {
    /// The table.
    pub table: &'static str,
    /// What the columns are sealed for: `table.column`. The second is there in some tables only.
    pub columns: (&'static str, Option<&'static str>),
    select: &'static str,
    update: &'static str,
    left: &'static str,
}

/// A value is sealed for a row: usually its own, for attempts the delivery, so that each carries the same bytes.
macro_rules! place {
    ($table:literal, $row:literal, $columns:expr, $first:literal, $second:literal, $set_second:literal) => {
        Place {
            table: $table,
            columns: $columns,
            select: concat!(
                "SELECT id, ",
                $row,
                " AS sealed_for, data_key_id, ",
                $first,
                " AS first, ",
                $second,
                " AS second FROM ",
                $table,
                " WHERE merchant_id = $1 AND id > $2 AND data_key_id <> $3 AND octet_length(",
                $first,
                ") > 0
                  ORDER BY id LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED"
            ),
            update: concat!(
                "UPDATE ",
                $table,
                " t SET data_key_id = $2, ",
                $first,
                " = i.first",
                $set_second,
                " FROM unnest($3::uuid[], $4::bytea[], $5::bytea[]) AS i (id, first, second)
                  WHERE t.merchant_id = $1 AND t.id = i.id"
            ),
            // What retention has emptied (attempts' payloads) names a key and holds nothing that it seals.
            left: concat!(
                "SELECT count(*) AS n FROM ",
                $table,
                " WHERE merchant_id = $1 AND data_key_id <> $2 AND octet_length(",
                $first,
                ") > 0"
            ),
        }
    };
}

/// Every table with sealed columns.
pub static PLACES: &[Place] = &[
    place!("applications", "id", (shops::CLIENT_SECRET, None), "client_secret_sealed", "NULL::bytea", ""),
    place!(
        "credentials",
        "id",
        (shops::ACCESS_TOKEN, Some(shops::REFRESH_TOKEN)),
        "access_token_sealed",
        "refresh_token_sealed",
        ", refresh_token_sealed = i.second"
    ),
    place!(
        "cards",
        "id",
        (cards::NUMBER, Some(cards::SECRET)),
        "number_sealed",
        "secret_sealed",
        ", secret_sealed = i.second"
    ),
    place!("delivery_attempts", "delivery_id", (attempts::PAYLOAD, None), "payload_sealed", "NULL::bytea", ""),
    place!("delivery_lines", "id", (PLATFORM_CODE, None), "platform_code_sealed", "NULL::bytea", ""),
    place!("verifications", "id", (verifications::SUBJECT, None), "subject_sealed", "NULL::bytea", ""),
    place!("verification_pictures", "id", (verification_pictures::PICTURE, None), "picture_sealed", "NULL::bytea", ""),
    place!("mails", "id", (mails::MAIL, None), "contents_sealed", "NULL::bytea", ""),
    place!("sign_ups", "id", (sign_ups::SIGN_UP, None), "contents_sealed", "NULL::bytea", ""),
    // Rows of users, whom the policy shows to themselves only; functions hand them over to the platform's exchange.
    Place {
        table: "second_factors",
        columns: (TOTP_SECRET, None),
        select: "SELECT id, id AS sealed_for, data_key_id, secret_sealed AS first, NULL::bytea AS second
                   FROM system_factors_to_reseal($1, $2, $3, $4)",
        update: "SELECT id FROM system_reseal_factors($1, $2, $3, $4) AS id WHERE $5::bytea[] IS NOT NULL",
        left: "SELECT count(*) AS n FROM system_factors_to_reseal($1, '00000000-0000-0000-0000-000000000000', $2, 1)",
    },
];

/// Lists whose keys there are: every merchant, and the platform itself for hosted applications.
///
/// # Errors
/// When the statement fails.
pub async fn list_owners(tx: &mut SystemTx) -> Result<Vec<MerchantId>, StoreError> {
    let mut owners = vec![MerchantId::PLATFORM];
    owners.extend(system::list_merchants(tx).await?);
    Ok(owners)
}

#[derive(QueryableByName)]
struct Wrapped {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: DataKeyId,
    #[diesel(sql_type = Text)]
    master_key_id: String,
    #[diesel(sql_type = Text)]
    made_under: String,
    #[diesel(sql_type = Bytea)]
    wrapped: Vec<u8>,
}

impl Wrapped {
    fn open(&self, tx: &TenantTx) -> Result<DataKey, SealError> {
        tx.ring().unwrap(self.id, tx.merchant(), &self.master_key_id, &self.wrapped)
    }
}

/// Wraps the merchant's data keys, former ones too, with the ring's active master key; returns how many were not.
///
/// # Errors
/// When a master key that wraps one of them is not in the ring; nothing is changed then.
pub async fn rewrap(tx: &mut TenantTx) -> Result<usize, StoreError> {
    let master = tx.ring().active_id().to_owned();
    // Not FOR UPDATE: rows that name the key may go on being inserted.
    let keys: Vec<Wrapped> = sql("SELECT id, master_key_id, made_under, wrapped FROM data_keys
                                   WHERE merchant_id = $1 AND master_key_id <> $2 ORDER BY id FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Text, _>(master.clone())
    .load(tx.conn()?)
    .await?;
    for row in &keys {
        let wrapped = tx.ring().wrap(&row.open(tx)?)?;
        sql("UPDATE data_keys SET master_key_id = $3, wrapped = $4, rewrapped_at = now()
              WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(row.id.as_uuid())
        .bind::<Text, _>(master.clone())
        .bind::<Bytea, _>(wrapped)
        .execute(tx.conn()?)
        .await?;
    }
    Ok(keys.len())
}

/// Gives the merchant a new data key, unless its active one was made under the ring's active master key already or it
/// has none; returns whether it did. Card hashes stay what they are (`keys`).
///
/// # Errors
/// When the present key's master key is not in the ring.
pub async fn renew(tx: &mut TenantTx) -> Result<bool, StoreError> {
    let master = tx.ring().active_id().to_owned();
    let active: Option<Wrapped> = sql("SELECT id, master_key_id, made_under, wrapped FROM data_keys
                                        WHERE merchant_id = $1 AND active FOR NO KEY UPDATE")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?;
    let Some(active) = active.filter(|key| key.made_under != master) else { return Ok(false) };
    let (key, wrapped) = tx.ring().succeed(&active.open(tx)?)?;
    sql("UPDATE data_keys SET active = false WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(active.id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    sql("INSERT INTO data_keys (id, merchant_id, master_key_id, made_under, wrapped) VALUES ($1, $2, $3, $3, $4)")
        .bind::<SqlUuid, _>(key.id().as_uuid())
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Text, _>(master)
        .bind::<Bytea, _>(wrapped)
        .execute(tx.conn()?)
        .await?;
    Ok(true)
}

/// A batch that was sealed anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Resealed {
    /// Rows written.
    pub rows: usize,
    /// The last of them: the next batch begins behind it. None: the pass has reached its end.
    pub last: Option<Uuid>,
}

#[derive(QueryableByName)]
struct Sealed {
    #[diesel(sql_type = SqlUuid)]
    id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    sealed_for: Uuid,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    data_key_id: DataKeyId,
    #[diesel(sql_type = Nullable<Bytea>)]
    first: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Bytea>)]
    second: Option<Vec<u8>>,
}

/// Seals the next rows behind `after` anew that a former key seals; those that somebody holds are left out.
///
/// # Errors
/// When a value does not open where it stands; nothing of the batch is changed then.
pub async fn reseal(tx: &mut TenantTx, place: &Place, after: Uuid, limit: i64) -> Result<Resealed, StoreError> {
    let active = read_active(tx).await?;
    let rows: Vec<Sealed> = sql(place.select)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(after)
        .bind::<SqlUuid, _>(active.id().as_uuid())
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?;
    let (mut ids, mut firsts, mut seconds) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let old = tx.data_key_by_id(row.data_key_id).await?;
        let anew = |column: &'static str, sealed: &Option<Vec<u8>>| {
            let open = |sealed: &Vec<u8>| old.open(column, row.sealed_for, sealed);
            let seal = |plain: SecretBytes| active.seal(column, row.sealed_for, plain.expose());
            sealed.as_ref().map(|sealed| open(sealed).and_then(seal)).transpose()
        };
        ids.push(row.id);
        firsts.push(anew(place.columns.0, &row.first)?);
        seconds.push(match place.columns.1 {
            Some(column) => anew(column, &row.second)?,
            None => None,
        });
    }
    if rows.is_empty() {
        return Ok(Resealed { rows: 0, last: None });
    }
    let last = ids.last().copied();
    let written = sql(place.update)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(active.id().as_uuid())
        .bind::<Array<SqlUuid>, _>(ids)
        .bind::<Array<Nullable<Bytea>>, _>(firsts)
        .bind::<Array<Nullable<Bytea>>, _>(seconds)
        .execute(tx.conn()?)
        .await?;
    Ok(Resealed { rows: written, last })
}

/// Reads the active key from its row, whatever this process remembers.
async fn read_active(tx: &mut TenantTx) -> Result<std::sync::Arc<DataKey>, StoreError> {
    #[derive(QueryableByName)]
    struct Active {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: DataKeyId,
    }
    let row: Active = sql("SELECT id FROM data_keys WHERE merchant_id = $1 AND active")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("data key"))?;
    tx.data_key_by_id(row.id).await
}

/// Counts the rows that a former key seals, by table; tables without any are left out.
///
/// # Errors
/// When a statement fails.
pub async fn count_left(tx: &mut TenantTx) -> Result<BTreeMap<&'static str, i64>, StoreError> {
    #[derive(QueryableByName)]
    struct Left {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let mut left = BTreeMap::new();
    let active = match read_active(tx).await {
        Err(StoreError::NotFound(_)) => return Ok(left),
        active => active?,
    };
    for place in PLACES {
        let row: Left = sql(place.left)
            .bind::<SqlUuid, _>(tx.merchant().as_uuid())
            .bind::<SqlUuid, _>(active.id().as_uuid())
            .get_result(tx.conn()?)
            .await?;
        if row.n > 0 {
            left.insert(place.table, row.n);
        }
    }
    Ok(left)
}

/// Waits for the transactions that write rows which name a former key; whoever counts afterwards sees those rows.
///
/// # Errors
/// [`StoreError::Conflict`] when one of them takes longer than a lock may be waited for: try again.
pub async fn settle(tx: &mut TenantTx) -> Result<(), StoreError> {
    // FOR UPDATE, unlike anything a worker does, waits for the key-share locks of foreign keys.
    sql("SELECT id FROM data_keys WHERE merchant_id = $1 AND NOT active ORDER BY id FOR UPDATE")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Counts the merchant's data keys that another master key than the ring's active one wraps.
///
/// # Errors
/// When the statement fails.
pub async fn count_wrapped_otherwise(tx: &mut TenantTx) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let master = tx.ring().active_id().to_owned();
    let row: Count = sql("SELECT count(*) AS n FROM data_keys WHERE merchant_id = $1 AND master_key_id <> $2")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Text, _>(master)
        .get_result(tx.conn()?)
        .await?;
    Ok(row.n)
}
