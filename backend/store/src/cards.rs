//! Batches and cards. Stock itself is in `card_uses`: one row per permitted use.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{BatchId, CardId, CardUseId, DataKeyId, PoolId, SecretText, ShopId};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::StoreError;
use crate::keys::{CARD_HASH_VERSION, DataKey, SealError};
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// Place of a sealed card number; the row is the card.
pub const NUMBER: &str = "cards.number_sealed";
/// Place of a sealed card secret; the row is the card.
pub const SECRET: &str = "cards.secret_sealed";
/// Rows one statement inserts: bulk loads use arrays of this size.
pub const BATCH_ROWS: usize = 5_000;

/// Where a batch of cards came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSource {
    /// A file.
    Import,
    /// A pattern.
    Generate,
}

/// A batch to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewBatch<'a> {
    /// Its id.
    pub id: BatchId,
    /// Its pool.
    pub pool: PoolId,
    /// Where its cards came from.
    pub source: BatchSource,
    /// The caller's id and the file's hash.
    pub idempotency_key: &'a str,
    /// The file's name, for people.
    pub file_name: &'a str,
    /// The file's sha256.
    pub file_hash: Option<&'a [u8]>,
    /// When it was made.
    pub at: DateTime<Utc>,
}

/// A batch.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct BatchRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: BatchId,
    /// Its pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
    /// The file's name.
    #[diesel(sql_type = Text)]
    pub file_name: String,
    /// Cards taken.
    #[diesel(sql_type = Integer)]
    pub accepted: i32,
    /// Lines refused.
    #[diesel(sql_type = Integer)]
    pub rejected: i32,
    /// When it was made.
    #[diesel(sql_type = Timestamptz)]
    pub created_at: DateTime<Utc>,
}

/// A card ready to be stored: nothing in it is readable.
#[derive(Debug, Clone)]
pub struct SealedCard {
    id: Uuid,
    number_sealed: Vec<u8>,
    secret_sealed: Option<Vec<u8>>,
    number_hash: [u8; 32],
    number_mask: String,
    expires_at: Option<DateTime<Utc>>,
}

impl SealedCard {
    /// Seals a card under a new id. Takes microseconds; many at once belong on a thread that may block.
    ///
    /// # Errors
    /// When the random source fails.
    pub fn seal(
        key: &DataKey,
        number: &SecretText,
        secret: Option<&SecretText>,
        expires_at: Option<DateTime<Utc>>,
    ) -> Result<Self, SealError> {
        let id = CardId::generate().as_uuid();
        Ok(Self {
            id,
            number_sealed: key.seal(NUMBER, id, number.expose().as_bytes())?,
            secret_sealed: secret.map(|secret| key.seal(SECRET, id, secret.expose().as_bytes())).transpose()?,
            number_hash: key.card_hash(number.expose())?,
            number_mask: mask(number.expose()),
            expires_at,
        })
    }

    /// Returns the card's id.
    #[must_use]
    pub const fn id(&self) -> CardId {
        CardId::from_uuid(self.id)
    }

    /// Returns the keyed hash of the number.
    #[must_use]
    pub const fn number_hash(&self) -> &[u8; 32] {
        &self.number_hash
    }
}

/// Returns a number with its middle hidden: of long ones two characters in front and four behind are shown, of short
/// ones fewer, and never more than half.
#[must_use]
pub fn mask(number: &str) -> String {
    let characters: Vec<char> = number.chars().collect();
    let (front, back) = match characters.len() {
        12.. => (2, 4),
        8..12 => (2, 2),
        5..8 => (1, 1),
        _ => (0, 0),
    };
    let hidden = characters.len().saturating_sub(front + back);
    let shown_behind = characters.iter().skip(front + hidden);
    characters
        .iter()
        .take(front)
        .copied()
        .chain(std::iter::repeat_n('*', hidden))
        .chain(shown_behind.copied())
        .collect()
}

/// Inserts a batch that has no cards yet.
///
/// # Errors
/// Constraint `card_batches_once` refuses an idempotency key that is known: read that batch instead.
pub async fn insert_batch(tx: &mut TenantTx, new: &NewBatch<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let source = match new.source {
        BatchSource::Import => "import",
        BatchSource::Generate => "generate",
    };
    sql(
        "INSERT INTO card_batches (id, merchant_id, pool_id, source, idempotency_key, file_name, file_hash, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.pool.as_uuid())
    .bind::<Text, _>(source)
    .bind::<Text, _>(new.idempotency_key)
    .bind::<Text, _>(new.file_name)
    .bind::<Nullable<Bytea>, _>(new.file_hash)
    .bind::<Timestamptz, _>(new.at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Returns the batch of an idempotency key.
///
/// # Errors
/// When the statement fails.
pub async fn find_batch(tx: &mut TenantTx, idempotency_key: &str) -> Result<Option<BatchRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, pool_id AS pool, file_name, accepted, rejected, created_at
              FROM card_batches WHERE merchant_id = $1 AND idempotency_key = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(idempotency_key)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Reads a batch.
///
/// # Errors
/// [`StoreError::NotFound`] for a batch of another merchant.
pub async fn fetch_batch(tx: &mut TenantTx, batch: BatchId) -> Result<BatchRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, pool_id AS pool, file_name, accepted, rejected, created_at
           FROM card_batches WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(batch.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("card batch"))
}

/// Lists a pool's batches, the newest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_batches(tx: &mut TenantTx, pool: PoolId, limit: i64) -> Result<Vec<BatchRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, pool_id AS pool, file_name, accepted, rejected, created_at FROM card_batches
             WHERE merchant_id = $1 AND pool_id = $2 ORDER BY created_at DESC, id DESC LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Writes how many cards a batch got and how many lines were refused.
///
/// # Errors
/// When the statement fails.
pub async fn update_batch(tx: &mut TenantTx, batch: BatchId, accepted: i32, rejected: i32) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE card_batches SET accepted = $3, rejected = $4 WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(batch.as_uuid())
        .bind::<Integer, _>(accepted)
        .bind::<Integer, _>(rejected)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Returns which of these numbers are in stock, or were.
///
/// # Errors
/// When the statement fails.
pub async fn list_known_hashes(tx: &mut TenantTx, hashes: &[&[u8; 32]]) -> Result<Vec<Vec<u8>>, StoreError> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = Bytea)]
        number_hash: Vec<u8>,
    }
    let merchant = tx.merchant();
    let rows: Vec<Known> = sql("SELECT number_hash FROM cards
                                 WHERE merchant_id = $1 AND hash_version = 1 AND number_hash = ANY($2)")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<Bytea>, _>(hashes.iter().map(|hash| hash.as_slice()).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?;
    const { assert!(CARD_HASH_VERSION == 1, "the statement above names it") };
    Ok(rows.into_iter().map(|row| row.number_hash).collect())
}

/// Where cards of one call go.
#[derive(Debug, Clone, Copy)]
pub struct CardPlace {
    /// The pool.
    pub pool: PoolId,
    /// The batch.
    pub batch: BatchId,
    /// The key that sealed them.
    pub key: DataKeyId,
    /// How often each card may be used.
    pub uses_permitted: i32,
    /// First word of the ledger: `imported` or `generated`.
    pub event: &'static str,
    /// When.
    pub at: DateTime<Utc>,
}

/// The uses of cards that are inserted, as arrays of columns.
#[derive(Default)]
struct NewUses {
    ids: Vec<Uuid>,
    cards: Vec<Uuid>,
    numbers: Vec<i32>,
    heads: Vec<Vec<u8>>,
}

impl NewUses {
    fn of(place: &CardPlace, cards: &[SealedCard]) -> Self {
        let mut uses = Self::default();
        for card in cards {
            for number in 1..=place.uses_permitted {
                let id = CardUseId::generate().as_uuid();
                uses.heads.push(first_ledger_hash(card.id, id, place));
                uses.ids.push(id);
                uses.cards.push(card.id);
                uses.numbers.push(number);
            }
        }
        uses
    }
}

/// Returns what `card_ledger_hash` of the schema returns for the first entry of a use, whose chain begins at the card.
///
/// The function costs Postgres 14 µs a row, a good part of what a large import may take. That both agree is tested:
/// the check of the chains recomputes every entry with the function.
fn first_ledger_hash(card: Uuid, card_use: Uuid, place: &CardPlace) -> Vec<u8> {
    let (pool, at) = (place.pool.as_uuid(), place.at.timestamp_micros());
    let entry = format!("{card_use}|1|{}|{pool}|-|{at}", place.event);
    Sha256::new().chain_update(Sha256::digest(card.as_bytes())).chain_update(entry).finalize().to_vec()
}

/// Inserts cards with their uses and the first entry of each use's ledger, in one statement; returns the ids of the
/// cards that are new. The others' numbers are in stock already, or were.
///
/// Their number times `uses_permitted` is bounded by [`BATCH_ROWS`] at the caller. The cards are not in stock for
/// anybody else before the transaction commits; wake those who wait under the pool's lock at its end.
///
/// # Errors
/// When the statement fails; two transactions that insert the same numbers may give way to one another.
pub async fn insert(tx: &mut TenantTx, place: &CardPlace, cards: &[SealedCard]) -> Result<Vec<CardId>, StoreError> {
    #[derive(QueryableByName)]
    struct Made {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: CardId,
    }
    let merchant = tx.merchant();
    let uses = NewUses::of(place, cards);
    let made: Vec<Made> = sql("WITH made AS (
             INSERT INTO cards (id, merchant_id, pool_id, batch_id, data_key_id, number_sealed, secret_sealed,
                                number_hash, number_mask, expires_at, uses_permitted, created_at)
             SELECT g.id, $1, $2, $3, $4, g.number_sealed, g.secret_sealed, g.number_hash, g.number_mask, g.expires_at,
                    $5, $6
               FROM unnest($7::uuid[], $8::bytea[], $9::bytea[], $10::bytea[], $11::text[], $12::timestamptz[])
                    AS g (id, number_sealed, secret_sealed, number_hash, number_mask, expires_at)
             ON CONFLICT ON CONSTRAINT cards_number_once DO NOTHING
             RETURNING id, expires_at
         ), uses AS (
             INSERT INTO card_uses (id, merchant_id, card_id, use_no, pool_id, expires_at, state_cause, ledger_head)
             SELECT g.id, $1, g.card_id, g.use_no, $2, made.expires_at, $13, g.head
               FROM unnest($14::uuid[], $15::uuid[], $16::integer[], $17::bytea[]) AS g (id, card_id, use_no, head)
               JOIN made ON made.id = g.card_id
             RETURNING id, card_id, ledger_head
         ), entered AS (
             INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, at, prev_hash, hash)
             SELECT uses.id, 1, $1, $13, $2, $6, sha256(uuid_send(uses.card_id)), uses.ledger_head FROM uses
         )
         SELECT id FROM made")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(place.pool.as_uuid())
    .bind::<SqlUuid, _>(place.batch.as_uuid())
    .bind::<SqlUuid, _>(place.key.as_uuid())
    .bind::<Integer, _>(place.uses_permitted)
    .bind::<Timestamptz, _>(place.at)
    .bind::<Array<SqlUuid>, _>(cards.iter().map(|card| card.id).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(cards.iter().map(|card| card.number_sealed.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Bytea>>, _>(cards.iter().map(|card| card.secret_sealed.as_deref()).collect::<Vec<_>>())
    .bind::<Array<Bytea>, _>(cards.iter().map(|card| card.number_hash.as_slice()).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(cards.iter().map(|card| card.number_mask.as_str()).collect::<Vec<_>>())
    .bind::<Array<Nullable<Timestamptz>>, _>(cards.iter().map(|card| card.expires_at).collect::<Vec<_>>())
    .bind::<Text, _>(place.event)
    .bind::<Array<SqlUuid>, _>(uses.ids)
    .bind::<Array<SqlUuid>, _>(uses.cards)
    .bind::<Array<Integer>, _>(uses.numbers)
    .bind::<Array<Bytea>, _>(uses.heads)
    .load(tx.conn()?)
    .await?;
    Ok(made.into_iter().map(|row| row.id).collect())
}

/// A card as lists show it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct CardRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: CardId,
    /// Its pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
    /// Its batch.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub batch: BatchId,
    /// Its number with the middle hidden.
    #[diesel(sql_type = Text)]
    pub number_mask: String,
    /// When it expires.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub expires_at: Option<DateTime<Utc>>,
    /// How often it may be used.
    #[diesel(sql_type = Integer)]
    pub uses_permitted: i32,
    /// How many of its uses are in stock.
    #[diesel(sql_type = BigInt)]
    pub available: i64,
}

/// Lists a batch's cards after a cursor, oldest first; with shops those that orders of theirs hold. Indexes
/// cards_of_batch, card_uses_once, delivery_lines_pkey, deliveries_pkey.
///
/// # Errors
/// When the statement fails.
pub async fn list_of_batch(
    tx: &mut TenantTx,
    batch: BatchId,
    (after, limit): (Option<CardId>, i64),
    shops: Option<&[ShopId]>,
) -> Result<Vec<CardRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT c.id, c.pool_id AS pool, c.batch_id AS batch, c.number_mask, c.expires_at, c.uses_permitted,
                   (SELECT count(*) FROM card_uses u
                     WHERE u.merchant_id = $1 AND u.card_id = c.id AND u.state = 'available') AS available
              FROM cards c WHERE c.merchant_id = $1 AND c.batch_id = $2 AND c.id > $3
               AND ($5 IS NULL OR EXISTS (
                   SELECT FROM card_uses u
                     JOIN delivery_lines l ON l.merchant_id = $1 AND l.id = u.line_id
                     JOIN deliveries d ON d.merchant_id = $1 AND d.id = l.delivery_id
                    WHERE u.merchant_id = $1 AND u.card_id = c.id AND d.shop_id = ANY ($5)))
             ORDER BY c.id LIMIT $4")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(batch.as_uuid())
    .bind::<SqlUuid, _>(after.map_or_else(Uuid::nil, CardId::as_uuid))
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Array<SqlUuid>>, _>(shops.map(uuids))
    .load(tx.conn()?)
    .await?)
}

/// Returns the card of a number, by its keyed hash.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_hash(tx: &mut TenantTx, hash: &[u8; 32]) -> Result<Option<CardRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT c.id, c.pool_id AS pool, c.batch_id AS batch, c.number_mask, c.expires_at, c.uses_permitted,
                   (SELECT count(*) FROM card_uses u
                     WHERE u.merchant_id = $1 AND u.card_id = c.id AND u.state = 'available') AS available
              FROM cards c WHERE c.merchant_id = $1 AND c.hash_version = 1 AND c.number_hash = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Bytea, _>(hash.as_slice())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// A card, still sealed.
#[derive(Debug, Clone, QueryableByName)]
pub struct SealedRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: CardId,
    /// The key that seals it.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key_id: DataKeyId,
    /// Sealed for [`NUMBER`] and this id.
    #[diesel(sql_type = Bytea)]
    pub number_sealed: Vec<u8>,
    /// Sealed for [`SECRET`] and this id.
    #[diesel(sql_type = Nullable<Bytea>)]
    pub secret_sealed: Option<Vec<u8>>,
}

/// Reads cards, still sealed, in no order; those of other merchants are left out.
///
/// # Errors
/// When the statement fails.
pub async fn list_sealed(tx: &mut TenantTx, cards: &[CardId]) -> Result<Vec<SealedRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, data_key_id, number_sealed, secret_sealed FROM cards WHERE merchant_id = $1 AND id = ANY($2)")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(cards.iter().map(|card| card.as_uuid()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn a_mask_shows_the_ends_of_long_numbers_and_nothing_of_short_ones() {
        for (number, masked) in [
            ("ABCD1234EFGH5678", "AB**********5678"),
            ("123456789012", "12******9012"),
            ("12345678", "12****78"),
            ("12345", "1***5"),
            ("1234", "****"),
            ("", ""),
            ("卡号一二三四五六", "卡号****五六"),
        ] {
            assert_eq!(mask(number), masked);
        }
    }
}
