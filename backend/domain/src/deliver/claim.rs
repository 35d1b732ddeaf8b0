//! Claims cards for a batch of deliveries: fast without waiting, then fairly under the pools' locks.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
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

/// Claims the cards of pending deliveries, each in full or not at all.
///
/// The fast way passes over cards that others hold right now. If it finds too few, everything is given back to the
/// savepoint, so that nobody waits for a pool while holding cards, and the batch goes the fair way: under the locks
/// of its pools, one delivery after the other, waiting for the holders. Who is short then is truly short, and still
/// under the lock when its wait is written down.
pub(super) async fn claim(
    tx: &mut TenantTx,
    pending: &[&DeliveryRow],
    paused_batches: &[Uuid],
    now: DateTime<Utc>,
) -> Result<Holding, StoreError> {
    let wanted: Vec<Wanted> = pending
        .iter()
        .filter_map(|row| {
            let count = usize::try_from(row.lines_expected).ok()?;
            let lines = std::iter::repeat_with(LineId::generate).take(count).collect();
            Some(Wanted { delivery: row.id(), pool: PoolId::from_uuid(row.pool_id?), lines })
        })
        .collect();
    if wanted.is_empty() {
        return Ok(Holding::default());
    }
    let pools = valid_after(tx, &wanted, now).await?;
    let ctx = Claiming { pools: &pools, paused_batches, now };
    tx.savepoint().await?;
    if let Some(holding) = fast(tx, &wanted, &ctx).await? {
        return Ok(holding);
    }
    tx.roll_back_to_savepoint().await?;
    fair(tx, &wanted, &ctx).await
}

struct Claiming<'a> {
    /// Pools with the moment a card must outlive.
    pools: &'a BTreeMap<PoolId, DateTime<Utc>>,
    paused_batches: &'a [Uuid],
    now: DateTime<Utc>,
}

impl Claiming<'_> {
    fn of(&self, pool: PoolId, lines: Vec<(LineId, DeliveryId)>) -> Claim {
        Claim {
            pool,
            lines,
            valid_after: self.pools.get(&pool).copied().unwrap_or(self.now),
            paused_batches: self.paused_batches.to_vec(),
            at: self.now,
        }
    }
}

async fn valid_after(
    tx: &mut TenantTx,
    wanted: &[Wanted],
    now: DateTime<Utc>,
) -> Result<BTreeMap<PoolId, DateTime<Utc>>, StoreError> {
    let mut pools = BTreeMap::new();
    for want in wanted {
        if let std::collections::btree_map::Entry::Vacant(entry) = pools.entry(want.pool) {
            let pool = card_pools::fetch(tx, want.pool).await?;
            entry.insert(now + TimeDelta::seconds(i64::from(pool.min_validity_s)));
        }
    }
    Ok(pools)
}

/// One statement per pool for the whole batch; `None` when a pool gave too few.
async fn fast(tx: &mut TenantTx, wanted: &[Wanted], ctx: &Claiming<'_>) -> Result<Option<Holding>, StoreError> {
    let mut holding = Holding::default();
    for pool in ctx.pools.keys() {
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
    let pools: Vec<PoolId> = ctx.pools.keys().copied().collect();
    card_pools::lock(tx, &pools).await?;
    let mut holding = Holding::default();
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
