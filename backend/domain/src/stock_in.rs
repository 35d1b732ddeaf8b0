//! Puts cards into stock: one transaction per batch, found again by its idempotency key.
//!
//! Cards are read or made, and sealed, on a thread of their own, some thousands at a time, while the database takes the
//! ones before; at most two portions wait in between. The pool is locked only at the end, when those who wait for its
//! cards are woken, so a long import keeps nobody from claiming cards that are there.

use std::sync::Arc;
use std::time::Duration;

use kamiflow_store::cards::{BatchRow, CardPlace, NewBatch, SealedCard};
use kamiflow_store::{DataKey, StoreError, TenantTx, card_pools, cards, stock_waits};

use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};

/// Portions that may wait for the database.
pub(crate) const PORTIONS_AHEAD: usize = 2;
/// Tries to read a batch again whose COMMIT was lost.
const READ_TRIES: u32 = 5;

/// A batch that is being filled.
pub(crate) struct StockIn {
    pub(crate) tx: TenantTx,
    pub(crate) key: Arc<DataKey>,
    place: CardPlace,
    accepted: usize,
}

impl StockIn {
    /// Begins a batch; its key makes a second one with the same key wait for the first to end.
    pub(crate) async fn begin(
        engine: &Engine,
        ctx: &Ctx,
        batch: &NewBatch<'_>,
        uses_permitted: i32,
        event: &'static str,
    ) -> Result<Self, StoreError> {
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        let key = tx.data_key().await?;
        card_pools::fetch(&mut tx, batch.pool).await?;
        tx.savepoint().await?;
        cards::insert_batch(&mut tx, batch).await?;
        let place = CardPlace { pool: batch.pool, batch: batch.id, key: key.id(), uses_permitted, event, at: batch.at };
        Ok(Self { tx, key, place, accepted: 0 })
    }

    /// Returns how many cards one portion holds, so that a statement never inserts more rows than it should.
    pub(crate) fn portion(uses_permitted: i32) -> usize {
        let uses = usize::try_from(uses_permitted).unwrap_or(1).max(1);
        (cards::BATCH_ROWS / uses).max(1)
    }

    /// Inserts cards; returns for each whether it is new. The others' numbers are in stock, or were.
    pub(crate) async fn insert(&mut self, portion: &[SealedCard]) -> Result<Vec<bool>, StoreError> {
        let mut made = cards::insert(&mut self.tx, &self.place, portion).await?;
        made.sort_unstable();
        self.accepted += made.len();
        Ok(portion.iter().map(|card| made.binary_search(&card.id()).is_ok()).collect())
    }

    /// Takes everything back that was inserted; the transaction can still read.
    pub(crate) async fn take_back(&mut self) -> Result<(), StoreError> {
        self.accepted = 0;
        self.tx.roll_back_to_savepoint().await
    }

    /// Returns how many cards were inserted.
    pub(crate) const fn accepted(&self) -> usize {
        self.accepted
    }

    /// Wakes those who wait for the pool, and commits.
    pub(crate) async fn commit(mut self, ctx: &Ctx, rejected: u64) -> Result<Vec<Wake>, StoreError> {
        let (accepted, rejected) =
            (i32::try_from(self.accepted).unwrap_or(i32::MAX), i32::try_from(rejected).unwrap_or(i32::MAX));
        cards::update_batch(&mut self.tx, self.place.batch, accepted, rejected).await?;
        card_pools::lock(&mut self.tx, &[self.place.pool]).await?;
        let woken = stock_waits::wake(&mut self.tx, self.place.pool, ctx.now).await?;
        self.tx.commit().await?;
        Ok(woken.into_iter().map(Wake::Deliver).collect())
    }
}

/// Returns the batch of a key, in a transaction of its own.
pub(crate) async fn find(engine: &Engine, ctx: &Ctx, key: &str) -> Result<Option<BatchRow>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let found = cards::find_batch(&mut tx, key).await?;
    tx.commit().await?;
    Ok(found)
}

/// Finds out, on fresh connections, whether a batch whose COMMIT was lost was stored.
///
/// Returns `None` when it was not, as far as one can see now: should the server still be at it, a repetition with the
/// same key waits for it and is told of it.
pub(crate) async fn find_after_lost_commit(
    engine: &Engine,
    ctx: &Ctx,
    key: &str,
) -> Result<Option<BatchRow>, StoreError> {
    let mut wait = Duration::from_millis(100);
    for _try in 1..READ_TRIES {
        match find(engine, ctx, key).await {
            Err(error) if error.is_transient() => {
                tokio::time::sleep(wait).await;
                wait = wait.saturating_mul(2);
            }
            outcome => return outcome,
        }
    }
    find(engine, ctx, key).await
}

/// Returns whether an error says that a batch of the same key exists.
pub(crate) fn is_repeated(error: &StoreError) -> bool {
    error.constraint() == Some("card_batches_once")
}
