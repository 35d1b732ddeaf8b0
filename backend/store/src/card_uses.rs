//! Changes of stock, each with its entry in the ledger, in one statement.
//!
//! A use changes its state or pool only here and in `card_claims`; the guard in the database refuses any change that
//! does not extend the use's hash chain.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardId, CardUseId, CardUseState, DeliveryId, PoolId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::stored::Stored;
use crate::tx::TenantTx;

/// Chains that one statement checks.
const CHAINS_AT_ONCE: i64 = 10_000;

/// What becomes of the line that holds a use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineChange {
    /// The line goes on holding it.
    Keep,
    /// No line holds it any more.
    Clear,
}

/// A change of state of uses.
#[derive(Debug, Clone, Copy)]
pub struct Transition<'a> {
    /// Which uses; those that are not in `from` stay as they are.
    pub uses: &'a [CardUseId],
    /// From.
    pub from: CardUseState,
    /// To.
    pub to: CardUseState,
    /// Why, as `card_use_transitions` names it.
    pub cause: &'a str,
    /// What the ledger says happened.
    pub event: &'a str,
    /// The delivery the ledger names; `None`: that of the line that holds the use, if one does.
    pub delivery: Option<DeliveryId>,
    /// What becomes of the line that holds it.
    pub line: LineChange,
    /// When.
    pub at: DateTime<Utc>,
}

impl Transition<'_> {
    /// Returns whether a use in the new state may have left us, which is never taken back.
    const fn exposes(&self) -> bool {
        match self.to {
            CardUseState::AtPlatform | CardUseState::Sent | CardUseState::Quarantined | CardUseState::Burned => true,
            // An upload that is certain to have been refused showed the card to nobody.
            CardUseState::Available | CardUseState::Reserved | CardUseState::Uploading | CardUseState::Void => false,
        }
    }
}

#[derive(QueryableByName)]
struct Moved {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: CardUseId,
}

/// Moves uses from one state to another and extends their ledgers; returns the uses that moved.
///
/// Uses are locked in the order of their ids. Whoever adds stock by it locks the pool first and wakes those who wait.
///
/// # Errors
/// Constraints `card_uses_transition`, `card_uses_exposed_never_available` and `card_uses_release_never_sent` refuse
/// what must not happen.
pub async fn transition(tx: &mut TenantTx, change: &Transition<'_>) -> Result<Vec<CardUseId>, StoreError> {
    if change.uses.is_empty() {
        return Ok(Vec::new());
    }
    let merchant = tx.merchant();
    let moved: Vec<Moved> = sql("WITH target AS (
             SELECT u.id, u.pool_id, u.ledger_seq + 1 AS seq, u.ledger_head AS prev,
                    coalesce($8, (SELECT l.delivery_id FROM delivery_lines l
                                   WHERE l.merchant_id = $1 AND l.id = u.line_id)) AS delivery_id
               FROM card_uses u
              WHERE u.merchant_id = $1 AND u.id = ANY($2) AND u.state = $3
              ORDER BY u.id FOR UPDATE OF u
         ), entry AS (
             SELECT t.*, card_ledger_hash(t.prev, t.id, t.seq, $6, t.pool_id, t.delivery_id, $9) AS hash FROM target t
         ), moved AS (
             UPDATE card_uses u
                SET state = $4, state_cause = $5, exposed = u.exposed OR $10,
                    line_id = CASE WHEN $7 THEN NULL ELSE u.line_id END,
                    ledger_seq = e.seq, ledger_head = e.hash
               FROM entry e WHERE u.merchant_id = $1 AND u.id = e.id
             RETURNING u.id
         ), entered AS (
             INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, delivery_id, at, prev_hash, hash)
             SELECT e.id, e.seq, $1, $6, e.pool_id, e.delivery_id, $9, e.prev, e.hash FROM entry e JOIN moved USING (id)
         )
         SELECT id FROM moved")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(change.uses.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .bind::<Text, _>(change.from.as_str())
    .bind::<Text, _>(change.to.as_str())
    .bind::<Text, _>(change.cause)
    .bind::<Text, _>(change.event)
    .bind::<Bool, _>(change.line == LineChange::Clear)
    .bind::<Nullable<SqlUuid>, _>(change.delivery.map(DeliveryId::as_uuid))
    .bind::<Timestamptz, _>(change.at)
    .bind::<Bool, _>(change.exposes())
    .load(tx.conn()?)
    .await?;
    Ok(moved.into_iter().map(|row| row.id).collect())
}

/// Puts uses in stock that never left us into another pool and extends their ledgers; returns the uses that moved.
///
/// Both pools are locked by the caller.
///
/// # Errors
/// Constraint `card_uses_move_never_exposed` refuses the others.
pub async fn update_pool(
    tx: &mut TenantTx,
    uses: &[CardUseId],
    pool: PoolId,
    at: DateTime<Utc>,
) -> Result<Vec<CardUseId>, StoreError> {
    let merchant = tx.merchant();
    let moved: Vec<Moved> = sql("WITH target AS (
             SELECT u.id, u.ledger_seq + 1 AS seq, u.ledger_head AS prev
               FROM card_uses u
              WHERE u.merchant_id = $1 AND u.id = ANY($2) AND u.state = 'available' AND u.pool_id <> $3
              ORDER BY u.id FOR UPDATE
         ), entry AS (
             SELECT t.*, card_ledger_hash(t.prev, t.id, t.seq, 'moved', $3, NULL, $4) AS hash FROM target t
         ), moved AS (
             UPDATE card_uses u SET pool_id = $3, ledger_seq = e.seq, ledger_head = e.hash
               FROM entry e WHERE u.merchant_id = $1 AND u.id = e.id
             RETURNING u.id, u.card_id
         ), entered AS (
             INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, at, prev_hash, hash)
             SELECT e.id, e.seq, $1, 'moved', $3, $4, e.prev, e.hash FROM entry e JOIN moved USING (id)
         ), cards_moved AS (
             UPDATE cards c SET pool_id = $3 WHERE c.merchant_id = $1 AND c.id IN (SELECT card_id FROM moved)
         )
         SELECT id FROM moved")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(uses.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<Timestamptz, _>(at)
    .load(tx.conn()?)
    .await?;
    Ok(moved.into_iter().map(|row| row.id).collect())
}

/// A use as a person's action meets it.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct UseRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: CardUseId,
    /// Its card.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub card: CardId,
    /// Which use of the card, from 1.
    #[diesel(sql_type = Integer)]
    pub use_no: i32,
    /// Its pool.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub pool: PoolId,
    /// Where it is.
    #[diesel(sql_type = Text, deserialize_as = Stored<CardUseState>)]
    pub state: CardUseState,
    /// Whether it may have left us.
    #[diesel(sql_type = Bool)]
    pub exposed: bool,
}

/// Locks every use of some cards in the order of their ids; cards of other merchants are left out.
///
/// # Errors
/// When the statement fails.
pub async fn lock_of_cards(tx: &mut TenantTx, cards: &[CardId]) -> Result<Vec<UseRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, card_id AS card, use_no, pool_id AS pool, state, exposed FROM card_uses
             WHERE merchant_id = $1 AND card_id = ANY($2) ORDER BY id FOR UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(cards.iter().map(|card| card.as_uuid()).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}

/// Returns the pools of some cards, so that they can be locked before the cards are.
///
/// # Errors
/// When the statement fails.
pub async fn list_pools(tx: &mut TenantTx, cards: &[CardId]) -> Result<Vec<PoolId>, StoreError> {
    #[derive(QueryableByName)]
    struct Pool {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: PoolId,
    }
    let merchant = tx.merchant();
    let pools: Vec<Pool> =
        sql("SELECT DISTINCT pool_id AS id FROM card_uses WHERE merchant_id = $1 AND card_id = ANY($2)")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<Array<SqlUuid>, _>(cards.iter().map(|card| card.as_uuid()).collect::<Vec<_>>())
            .load(tx.conn()?)
            .await?;
    Ok(pools.into_iter().map(|row| row.id).collect())
}

/// What looking at some chains of ledger entries came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct Chains {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    last: Option<Uuid>,
    /// Chains that were looked at.
    #[diesel(sql_type = BigInt)]
    pub looked_at: i64,
    /// Those of them that are broken: an entry missing, changed, or not the head.
    #[diesel(sql_type = BigInt)]
    pub broken: i64,
}

impl Chains {
    /// Returns the last use of the page: the next begins behind it. None: there are no more.
    #[must_use]
    pub fn last(&self) -> Option<CardUseId> {
        self.last.map(CardUseId::from_uuid)
    }
}

/// Checks the chains of a page of uses, by id from behind `after`; of those only that have moved since a moment, if one is
/// given, or that have no entry at all. Primary keys of card_uses and card_ledger.
///
/// # Errors
/// When the statement fails.
pub async fn check_chains(
    tx: &mut TenantTx,
    moved_since: Option<DateTime<Utc>>,
    after: Option<CardUseId>,
    limit: i64,
) -> Result<Chains, StoreError> {
    Ok(sql("WITH page AS (
             SELECT u.id, u.card_id, u.ledger_seq, u.ledger_head FROM card_uses u
              WHERE u.merchant_id = $1 AND u.id > $2 ORDER BY u.id LIMIT $3
         ), moved AS (
             SELECT p.* FROM page p
               LEFT JOIN LATERAL (SELECT l.at FROM card_ledger l WHERE l.merchant_id = $1 AND l.card_use_id = p.id
                                   ORDER BY l.seq DESC LIMIT 1) h ON true
              WHERE $4 IS NULL OR h.at IS NULL OR h.at >= $4
         ), entries AS (
             SELECT m.id, l.seq, l.hash,
                    l.hash = card_ledger_hash(l.prev_hash, l.card_use_id, l.seq, l.event, l.pool_id, l.delivery_id, l.at)
                    AND l.prev_hash = coalesce(lag(l.hash) OVER chain, sha256(uuid_send(m.card_id)))
                    AND l.seq = row_number() OVER chain AS sound
               FROM moved m JOIN card_ledger l ON l.merchant_id = $1 AND l.card_use_id = m.id
             WINDOW chain AS (PARTITION BY m.id ORDER BY l.seq)
         ), chains AS (
             SELECT id, bool_and(sound) AS sound, max(seq) AS seq, (array_agg(hash ORDER BY seq DESC))[1] AS head
               FROM entries GROUP BY id
         )
         SELECT (SELECT id FROM page ORDER BY id DESC LIMIT 1) AS last, count(*) AS looked_at,
                count(*) FILTER (WHERE NOT coalesce(c.sound AND c.seq = m.ledger_seq AND c.head = m.ledger_head, false))
                    AS broken
           FROM moved m LEFT JOIN chains c ON c.id = m.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(after.map_or_else(Uuid::nil, CardUseId::as_uuid))
    .bind::<BigInt, _>(limit)
    .bind::<Nullable<Timestamptz>, _>(moved_since)
    .get_result(tx.conn()?)
    .await?)
}

/// Counts the uses whose chain of ledger entries is broken, of all that the merchant has.
///
/// # Errors
/// When a statement fails.
pub async fn count_broken_chains(tx: &mut TenantTx) -> Result<i64, StoreError> {
    let (mut broken, mut after) = (0, None);
    loop {
        let page = check_chains(tx, None, after, CHAINS_AT_ONCE).await?;
        broken += page.broken;
        after = page.last();
        if after.is_none() {
            return Ok(broken);
        }
    }
}
