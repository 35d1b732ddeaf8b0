//! Claims cards for a batch of deliveries: fast without waiting, or fairly under the pools' locks.
//!
//! The fast way passes over cards that others hold right now. Where it finds too few, its whole transaction is given up,
//! so that nobody waits for a pool while holding cards, and the batch is done again the fair way. A savepoint would give
//! up less, but everything after it would be the work of a subtransaction, and Postgres marks rows that the transaction
//! itself had locked before with a multixact each: every batch would pay for what few need.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use kamiflow_kernel::{CardUseId, DeliveryId, LineId, PoolId};
use kamiflow_store::card_claims::{self, Claim, Claimed};
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::delivery_lines::NewLine;
use kamiflow_store::{StoreError, TenantTx, card_pools};
use uuid::Uuid;

/// Tries to find cards that appear while others are waited for; each is one statement under the pool's lock.
const WAITING_TRIES: usize = 3;

/// What a batch got.
#[derive(Debug, Default)]
pub(super) struct Holding {
    /// Cards by delivery, in the order of their lines.
    pub(super) cards: HashMap<DeliveryId, Vec<Claimed>>,
    /// Lines to insert.
    pub(super) lines: Vec<NewLine>,
    /// Deliveries for which there are too few cards; nothing is claimed for them.
    pub(super) short: Vec<DeliveryId>,
}

struct Wanted {
    delivery: DeliveryId,
    pool: PoolId,
    lines: Vec<LineId>,
}

/// How cards are claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// One statement per pool for the whole batch, passing over cards that others hold.
    Fast,
    /// Under the locks of the pools, one delivery after the other, waiting for the holders. Who is short then is truly
    /// short, and still under the lock when its wait is written down.
    Fair,
}

/// Claims the cards of pending deliveries, each in full or not at all.
///
/// Returns `None` when the fast way found too few. The transaction then holds cards and must not be committed.
pub(super) async fn claim(
    tx: &mut TenantTx,
    pending: &[&DeliveryRow],
    paused_batches: &[Uuid],
    now: DateTime<Utc>,
    way: Way,
) -> Result<Option<Holding>, StoreError> {
    match way {
        Way::Fast => claim_fast(tx, pending, paused_batches, now).await,
        Way::Fair => {
            let wanted = wanted(pending);
            let pools: BTreeSet<PoolId> = wanted.iter().map(|want| want.pool).collect();
            fair(tx, &wanted, &Claiming { pools: &pools, paused_batches, now }).await.map(Some)
        }
    }
}

/// Claims the fast way, as [`claim`] does; may be sent together with other statements.
pub(super) async fn claim_fast(
    tx: &TenantTx,
    pending: &[&DeliveryRow],
    paused_batches: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Option<Holding>, StoreError> {
    let wanted = wanted(pending);
    let pools: BTreeSet<PoolId> = wanted.iter().map(|want| want.pool).collect();
    fast(tx, &wanted, &Claiming { pools: &pools, paused_batches, now }).await
}

fn wanted(pending: &[&DeliveryRow]) -> Vec<Wanted> {
    pending
        .iter()
        .filter_map(|row| {
            let count = usize::try_from(row.lines_expected).ok()?;
            let lines = std::iter::repeat_with(LineId::generate).take(count).collect();
            Some(Wanted { delivery: row.id(), pool: PoolId::from_uuid(row.pool_id?), lines })
        })
        .collect()
}

struct Claiming<'a> {
    pools: &'a BTreeSet<PoolId>,
    paused_batches: &'a [Uuid],
    now: DateTime<Utc>,
}

impl Claiming<'_> {
    fn of(&self, pool: PoolId, lines: Vec<(LineId, DeliveryId)>) -> Claim {
        Claim { pool, lines, paused_batches: self.paused_batches.to_vec(), at: self.now }
    }
}

async fn fast(tx: &TenantTx, wanted: &[Wanted], ctx: &Claiming<'_>) -> Result<Option<Holding>, StoreError> {
    let mut holding = Holding::default();
    for pool in ctx.pools {
        let lines: Vec<(LineId, DeliveryId)> = wanted
            .iter()
            .filter(|want| want.pool == *pool)
            .flat_map(|want| want.lines.iter().map(|line| (*line, want.delivery)))
            .collect();
        let asked = lines.len();
        let claimed = card_claims::claim(tx, &ctx.of(*pool, lines)).await?;
        if claimed.len() < asked {
            return Ok(None);
        }
        holding.take(wanted, claimed);
    }
    Ok(Some(holding))
}

async fn fair(tx: &mut TenantTx, wanted: &[Wanted], ctx: &Claiming<'_>) -> Result<Holding, StoreError> {
    let pools: Vec<PoolId> = ctx.pools.iter().copied().collect();
    let mut holding = Holding::default();
    if pools.is_empty() {
        return Ok(holding);
    }
    card_pools::lock(tx, &pools).await?;
    for want in wanted {
        let mut claimed = Vec::new();
        // A card that was waited for may be gone afterwards, while another one beyond the limit is free.
        for _try in 0..WAITING_TRIES {
            tx.savepoint().await?;
            let lines = want.lines.iter().map(|line| (*line, want.delivery)).collect();
            claimed = card_claims::claim_waiting(tx, &ctx.of(want.pool, lines)).await?;
            if claimed.len() == want.lines.len() {
                break;
            }
            tx.roll_back_to_savepoint().await?;
        }
        if claimed.len() == want.lines.len() {
            holding.take(wanted, claimed);
        } else {
            holding.short.push(want.delivery);
        }
    }
    Ok(holding)
}

impl Holding {
    fn take(&mut self, wanted: &[Wanted], claimed: Vec<Claimed>) {
        let owners: HashMap<Uuid, (DeliveryId, i32)> = wanted
            .iter()
            .flat_map(|want| (1..).zip(&want.lines).map(|(no, line)| (line.as_uuid(), (want.delivery, no))))
            .collect();
        for card in claimed {
            let Some((delivery, line_no)) = owners.get(&card.line_id).copied() else { continue };
            self.lines.push(NewLine {
                id: LineId::from_uuid(card.line_id),
                delivery,
                line_no,
                card_use: Some(CardUseId::from_uuid(card.card_use_id)),
            });
            self.cards.entry(delivery).or_default().push(card);
        }
    }
}
