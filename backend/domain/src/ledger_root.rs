//! Seals each day of a merchant's card ledger with one Merkle root over the heads of its chains.
//!
//! The chains alone show that an entry was changed; the root shows that a whole chain was exchanged or cut short. It
//! is taken an hour after the day's end (UTC), when no transaction of that day can still be open, and can be computed
//! again at any time, because the ledger is append-only.

use chrono::{DateTime, Days, NaiveDate, NaiveTime, TimeDelta, Utc};
use kamiflow_store::ledger_roots::{self, RootRow};
use kamiflow_store::{StoreError, TenantTx};
use sha2::{Digest, Sha256};

use crate::ctx::Ctx;
use crate::engine::Engine;

/// Heads read by one statement.
const PAGE: i64 = 10_000;
/// Transactions end within 30 s (engine.md, Postgres); an hour is far behind them.
const SETTLED_AFTER: TimeDelta = TimeDelta::hours(1);

/// Takes the root of the last settled day, unless it is there. Returns the day when one was taken.
///
/// # Errors
/// When the store fails.
pub async fn take(engine: &Engine, ctx: &Ctx) -> Result<Option<NaiveDate>, StoreError> {
    let Some(day) = (ctx.now - SETTLED_AFTER).date_naive().checked_sub_days(Days::new(1)) else { return Ok(None) };
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if ledger_roots::find(&mut tx, day).await?.is_some() {
        return Ok(None);
    }
    let root = compute(&mut tx, day).await?;
    if root.uses == 0 {
        return Ok(None);
    }
    ledger_roots::insert(&mut tx, day, &root).await?;
    tx.commit().await?;
    Ok(Some(day))
}

/// Computes the root of a day from the ledger; compared with the stored one it proves the ledger unchanged.
///
/// # Errors
/// When the store fails.
pub async fn compute(tx: &mut TenantTx, day: NaiveDate) -> Result<RootRow, StoreError> {
    let before = end_of(day);
    let mut tree = Merkle::default();
    let mut after = None;
    loop {
        let heads = ledger_roots::list_heads(tx, before, after, PAGE).await?;
        after = heads.last().map(ledger_roots::Head::card_use);
        heads.iter().for_each(|head| tree.push(&head.hash));
        if heads.is_empty() {
            return Ok(tree.root());
        }
    }
}

fn end_of(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc() + TimeDelta::days(1)
}

/// A binary Merkle tree that holds one node per level: leaves and inner nodes are hashed with different prefixes, and
/// the nodes left over at the end are joined from the smallest up.
#[derive(Debug, Default)]
struct Merkle {
    /// Full subtrees, the largest first, each with its height.
    peaks: Vec<(u32, [u8; 32])>,
    leaves: i64,
}

impl Merkle {
    fn push(&mut self, leaf: &[u8]) {
        let mut node = (0, Sha256::new_with_prefix([0]).chain_update(leaf).finalize().into());
        while let Some(left) = self.peaks.pop_if(|left| left.0 == node.0) {
            node = (node.0 + 1, join(&left.1, &node.1));
        }
        self.peaks.push(node);
        self.leaves += 1;
    }

    fn root(mut self) -> RootRow {
        let mut root = self.peaks.pop().map_or([0; 32], |peak| peak.1);
        while let Some((_, left)) = self.peaks.pop() {
            root = join(&left, &root);
        }
        RootRow { uses: self.leaves, root: root.to_vec() }
    }
}

fn join(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new_with_prefix([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn root_of(leaves: &[Vec<u8>]) -> RootRow {
        let mut tree = Merkle::default();
        leaves.iter().for_each(|leaf| tree.push(leaf));
        tree.root()
    }

    proptest! {
        #[test]
        fn any_change_of_any_head_changes_the_root(
            leaves in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 32), 1..70),
            at in any::<prop::sample::Index>(),
        ) {
            let before = root_of(&leaves);
            let mut changed = leaves.clone();
            let at = at.index(leaves.len());
            changed[at][0] ^= 1;
            prop_assert_ne!(&before, &root_of(&changed));
            changed.clone_from(&leaves);
            changed.remove(at);
            prop_assert_ne!(&before, &root_of(&changed));
            prop_assert_eq!(before, root_of(&leaves));
        }
    }
}
