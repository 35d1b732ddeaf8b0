//! Claiming cards for delivery lines, sending and giving them up: the statements that exactly-once rests on.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardUseState, DataKeyId, DeliveryId, LineId, PoolId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A card use that a line has claimed, with its card, sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct Claimed {
    #[diesel(sql_type = SqlUuid)]
    pub line_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub card_use_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub card_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    data_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub number_sealed: Vec<u8>,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub secret_sealed: Option<Vec<u8>>,
}

impl Claimed {
    /// Returns the key that seals the card.
    #[must_use]
    pub const fn data_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.data_key_id)
    }
}

/// The head before the claim is taken from the locked row: a second read would show the statement's snapshot, which may
/// be older than the lock.
macro_rules! claim_statement {
    ($locking:literal) => {
        concat!(
            "WITH wanted AS (
                SELECT line_id, delivery_id, ord FROM unnest($3::uuid[], $4::uuid[]) WITH ORDINALITY AS w (line_id, delivery_id, ord)
            ), picked AS (
                SELECT u.id, u.ledger_head AS before, row_number() OVER (ORDER BY u.expires_at NULLS LAST, u.id) AS ord FROM (
                    SELECT id, expires_at, ledger_head FROM card_uses
                     WHERE merchant_id = $1 AND pool_id = $2 AND state = 'available'
                       AND (expires_at IS NULL OR expires_at > $7 + (SELECT make_interval(secs => p.min_validity_s)
                                                                       FROM card_pools p WHERE p.merchant_id = $1 AND p.id = $2))
                       AND (cardinality($5) = 0 OR NOT EXISTS (
                           SELECT FROM cards c WHERE c.id = card_uses.card_id AND c.merchant_id = $1 AND c.batch_id = ANY ($5)))
                     ORDER BY expires_at NULLS LAST, id LIMIT $6 ",
            $locking,
            ") u
            ), moved AS (
                UPDATE card_uses u SET state = 'reserved', state_cause = 'claimed', line_id = w.line_id,
                       ledger_seq = u.ledger_seq + 1,
                       ledger_head = card_ledger_hash(u.ledger_head, u.id, u.ledger_seq + 1, 'claimed', u.pool_id, w.delivery_id, $7)
                  FROM picked p JOIN wanted w USING (ord)
                 WHERE u.id = p.id AND u.merchant_id = $1
             RETURNING u.id, u.card_id, u.line_id, u.pool_id, u.ledger_seq, u.ledger_head, p.before, w.delivery_id, w.ord
            ), written AS (
                INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, delivery_id, at, prev_hash, hash)
                SELECT m.id, m.ledger_seq, $1, 'claimed', m.pool_id, m.delivery_id, $7, m.before, m.ledger_head FROM moved m
            )
            SELECT m.line_id, m.id AS card_use_id, c.id AS card_id, c.data_key_id, c.number_sealed, c.secret_sealed
              FROM moved m JOIN cards c ON c.id = m.card_id AND c.merchant_id = $1 ORDER BY m.ord"
        )
    };
}

pub(crate) const CLAIM: &str = claim_statement!("FOR UPDATE SKIP LOCKED");
pub(crate) const CLAIM_WAITING: &str = claim_statement!("FOR UPDATE");

/// Which lines want a card from a pool.
#[derive(Debug, Clone)]
pub struct Claim {
    /// From which pool.
    pub pool: PoolId,
    /// One card each, in this order, with the delivery the line belongs to.
    pub lines: Vec<(LineId, DeliveryId)>,
    /// Batches that are paused.
    pub paused_batches: Vec<Uuid>,
    /// Time of the entry in the ledger; a card must be valid for the pool's least time from here on.
    pub at: DateTime<Utc>,
}

/// Claims a card for each line, expiry first, passing over cards that others hold. Index card_uses_available.
///
/// Fewer rows than lines means shortage, or cards that others hold right now: the caller rolls back to its
/// savepoint, because nothing is claimed in part, locks the pool and calls [`claim_waiting`].
///
/// # Errors
/// When the connection is lost.
pub async fn claim(tx: &TenantTx, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
    run_claim(tx, claim, CLAIM).await
}

/// Claims as [`claim`] does, but waits for cards that others hold. Only under the pool's lock: two orders that
/// each hold some of the last cards would otherwise both starve.
///
/// # Errors
/// When the connection is lost or a wait is too long.
pub async fn claim_waiting(tx: &TenantTx, claim: &Claim) -> Result<Vec<Claimed>, StoreError> {
    run_claim(tx, claim, CLAIM_WAITING).await
}

async fn run_claim(tx: &TenantTx, claim: &Claim, statement: &'static str) -> Result<Vec<Claimed>, StoreError> {
    let (lines, deliveries): (Vec<Uuid>, Vec<Uuid>) =
        claim.lines.iter().map(|(line, delivery)| (line.as_uuid(), delivery.as_uuid())).unzip();
    let wanted = i64::try_from(lines.len()).unwrap_or(i64::MAX);
    Ok(sql(statement)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(claim.pool.as_uuid())
        .bind::<Array<SqlUuid>, _>(lines)
        .bind::<Array<SqlUuid>, _>(deliveries)
        .bind::<Array<SqlUuid>, _>(claim.paused_batches.clone())
        .bind::<BigInt, _>(wanted)
        .bind::<Timestamptz, _>(claim.at)
        .load(&mut tx.shared()?)
        .await?)
}

/// What the cards that a delivery holds are good for by now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct HeldCards {
    /// Which delivery.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub delivery: DeliveryId,
    /// Cards it holds.
    #[diesel(sql_type = BigInt)]
    pub cards: i64,
    /// Of them, no longer valid for as long as their pool asks.
    #[diesel(sql_type = BigInt)]
    pub expiring: i64,
    /// Of them, no longer reserved for it: voided, say.
    #[diesel(sql_type = BigInt)]
    pub gone: i64,
    /// Of them, of a paused batch.
    #[diesel(sql_type = BigInt)]
    pub paused: i64,
}

pub(crate) const LIST_HELD: &str = "SELECT l.delivery_id AS delivery, count(*) AS cards,
                count(*) FILTER (WHERE u.expires_at <= $3 + make_interval(secs => p.min_validity_s)) AS expiring,
                count(*) FILTER (WHERE u.state <> 'reserved' OR u.line_id IS DISTINCT FROM l.id) AS gone,
                count(*) FILTER (WHERE c.batch_id = ANY ($4)) AS paused
           FROM delivery_lines l
           JOIN card_uses u ON u.id = l.card_use_id AND u.merchant_id = $1
           JOIN cards c ON c.id = u.card_id AND c.merchant_id = $1
           JOIN card_pools p ON p.id = u.pool_id AND p.merchant_id = $1
          WHERE l.merchant_id = $1 AND l.delivery_id = ANY ($2) AND l.live
          GROUP BY l.delivery_id";

/// Lists what the cards held by deliveries are good for at a moment. Indexes delivery_lines_once, card_uses_pkey.
///
/// Locks nothing: a card that a delivery holds moves only under that delivery's lock, which the caller has.
///
/// # Errors
/// When the connection is lost.
pub async fn list_held(
    tx: &mut TenantTx,
    deliveries: &[DeliveryId],
    paused_batches: &[Uuid],
    at: DateTime<Utc>,
) -> Result<Vec<HeldCards>, StoreError> {
    if deliveries.is_empty() {
        return Ok(Vec::new());
    }
    Ok(sql(LIST_HELD)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .bind::<Timestamptz, _>(at)
        .bind::<Array<SqlUuid>, _>(paused_batches.to_vec())
        .load(tx.conn()?)
        .await?)
}

/// A way that the card uses held by deliveries go together.
#[derive(Debug, Clone, Copy)]
pub struct HeldMove {
    /// From which state; uses in another state are left alone.
    pub from: CardUseState,
    /// To which state.
    pub to: CardUseState,
    /// The cause, as card_use_transitions names it; also the ledger's event.
    pub cause: &'static str,
    /// Whether the use is, or may be, known outside from here on.
    pub exposes: bool,
    /// Whether the line lets go of the use.
    pub lets_go: bool,
}

impl HeldMove {
    /// The platform acknowledged the hand-over.
    pub const SENT: Self =
        Self { from: CardUseState::Reserved, to: CardUseState::Sent, cause: "sent", exposes: true, lets_go: false };
    /// Nothing ever left: back into stock.
    pub const RELEASED: Self = Self {
        from: CardUseState::Reserved,
        to: CardUseState::Available,
        cause: "released",
        exposes: false,
        lets_go: true,
    };
    /// It may have left: never again without a person.
    pub const QUARANTINED: Self = Self {
        from: CardUseState::Reserved,
        to: CardUseState::Quarantined,
        cause: "may_have_left",
        exposes: true,
        lets_go: false,
    };
    /// A refund after the send.
    pub const BURNED: Self =
        Self { from: CardUseState::Sent, to: CardUseState::Burned, cause: "refunded", exposes: true, lets_go: false };
}

pub(crate) const MOVE_HELD: &str = "WITH held AS (
                SELECT u.id, u.ledger_head AS before, l.delivery_id
                  FROM delivery_lines l JOIN card_uses u ON u.id = l.card_use_id AND u.merchant_id = l.merchant_id
                 WHERE l.merchant_id = $1 AND l.delivery_id = ANY ($2) AND l.live AND u.state = $3
                 ORDER BY u.id FOR UPDATE OF u
            ), moved AS (
                UPDATE card_uses u SET state = $4, state_cause = $5, exposed = u.exposed OR $6,
                       line_id = CASE WHEN $7 THEN NULL ELSE u.line_id END, ledger_seq = u.ledger_seq + 1,
                       ledger_head = card_ledger_hash(u.ledger_head, u.id, u.ledger_seq + 1, $5, u.pool_id, h.delivery_id, $8)
                  FROM held h WHERE u.id = h.id AND u.merchant_id = $1
             RETURNING u.id, u.pool_id, u.ledger_seq, u.ledger_head, h.before, h.delivery_id
            )
            INSERT INTO card_ledger (card_use_id, seq, merchant_id, event, pool_id, delivery_id, at, prev_hash, hash)
            SELECT m.id, m.ledger_seq, $1, $5, m.pool_id, m.delivery_id, $8, m.before, m.ledger_head FROM moved m";

/// Moves the card uses that live lines of deliveries hold, with an entry in the ledger each. Returns how many moved.
///
/// # Errors
/// When a trigger refuses: a use that may have left us does not become available.
pub async fn move_held(
    tx: &TenantTx,
    deliveries: &[DeliveryId],
    way: HeldMove,
    at: DateTime<Utc>,
) -> Result<usize, StoreError> {
    if deliveries.is_empty() {
        return Ok(0);
    }
    Ok(sql(MOVE_HELD)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .bind::<Text, _>(way.from.as_str())
        .bind::<Text, _>(way.to.as_str())
        .bind::<Text, _>(way.cause)
        .bind::<Bool, _>(way.exposes)
        .bind::<Bool, _>(way.lets_go)
        .bind::<Timestamptz, _>(at)
        .execute(&mut tx.shared()?)
        .await?)
}
