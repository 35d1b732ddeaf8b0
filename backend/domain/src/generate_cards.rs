//! Makes cards of a pattern and puts them into a pool; numbers that are in stock already are drawn anew.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{BatchId, Permission, PoolId};
use kamiflow_store::StoreError;
use kamiflow_store::cards::{BatchRow, BatchSource, NewBatch, SealedCard};
use serde_json::json;
use tokio::sync::mpsc;

use crate::acts;
use crate::card_pattern::{CardPattern, Generation, GenerationError};
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::stock_in::{self, PORTIONS_AHEAD, StockIn};

/// How often missing cards are drawn anew. With a hundred numbers per card, each round leaves a hundredth to the next.
const ROUNDS: u32 = 16;

/// The request.
#[derive(Debug, Clone)]
pub struct GenerateCards {
    /// Into which pool.
    pub pool: PoolId,
    /// The caller's id of this generation: makes a repetition harmless.
    pub caller_id: String,
    /// Pattern of the numbers.
    pub number: CardPattern,
    /// Pattern of the secrets, if there are any.
    pub secret: Option<CardPattern>,
    /// How many cards.
    pub count: u32,
    /// When they expire.
    pub expires_at: Option<DateTime<Utc>>,
    /// How often each card may be used, from 1 to 1000.
    pub uses_permitted: i32,
}

/// What became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedBatch {
    /// The batch.
    pub batch: BatchId,
    /// Cards made.
    pub made: u64,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why no cards were made.
#[derive(Debug, thiserror::Error)]
pub enum GenerateCardsError {
    /// The patterns allow too few codes, or the count is not possible.
    #[error("the cards cannot be generated")]
    Generation(#[from] GenerationError),
    /// Not from 1 to 1000.
    #[error("{0} uses of a card are not possible; choose 1 to 1000")]
    UsesPermitted(i32),
    /// The expiry is not in the future.
    #[error("the cards would have expired already")]
    Expired,
    /// The pool does not exist for this merchant.
    #[error("the card pool was not found")]
    PoolUnknown,
    /// The stock holds so many numbers of this pattern that free ones are not found.
    #[error("the stock holds too many numbers of this pattern; use a longer one")]
    PatternExhausted,
    /// The connection was lost at the end and nothing was stored: the same request may be repeated.
    #[error("the cards were not stored; generate them again")]
    NotStored(#[source] StoreError),
    /// The thread that draws the cards ended early.
    #[error("the generation was interrupted")]
    Interrupted(#[from] tokio::task::JoinError),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the cards could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for GenerateCardsError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::PoolUnknown,
            other => Self::Store(other),
        }
    }
}

/// Makes exactly the cards asked for, or none.
///
/// # Errors
/// See [`GenerateCardsError`]; nothing was stored then.
pub async fn generate_cards(
    engine: &Engine,
    ctx: &Ctx,
    request: &GenerateCards,
) -> Result<GeneratedBatch, GenerateCardsError> {
    ctx.require(Permission::ManageCards)?;
    if !(1..=1000).contains(&request.uses_permitted) {
        return Err(GenerateCardsError::UsesPermitted(request.uses_permitted));
    }
    if request.expires_at.is_some_and(|expires_at| expires_at <= ctx.now) {
        return Err(GenerateCardsError::Expired);
    }
    Generation::new(request.number.clone(), request.secret.clone(), request.count)?;
    let key = format!("generate:{}", request.caller_id);
    if let Some(batch) = stock_in::find(engine, ctx, &key).await? {
        return Ok(repeated(&batch));
    }
    let batch = NewBatch {
        id: BatchId::generate(),
        pool: request.pool,
        source: BatchSource::Generate,
        idempotency_key: &key,
        file_name: "",
        file_hash: None,
        at: ctx.now,
    };
    let mut stock = match StockIn::begin(engine, ctx, &batch, request.uses_permitted, "generated").await {
        Err(error) if stock_in::is_repeated(&error) => return read_again(engine, ctx, &key, error).await,
        stock => stock?,
    };
    fill(&mut stock, request).await?;
    let detail = json!({ "pool": request.pool, "made": request.count });
    acts::record(&mut stock.tx, ctx, "cards.generate", batch.id, detail).await?;
    match stock.commit(ctx, 0).await {
        Ok(wakes) => Ok(GeneratedBatch { batch: batch.id, made: u64::from(request.count), wakes }),
        Err(error @ StoreError::CommitUnknown(_)) => read_again(engine, ctx, &key, error).await,
        Err(error) => Err(error.into()),
    }
}

async fn fill(stock: &mut StockIn, request: &GenerateCards) -> Result<(), GenerateCardsError> {
    for _round in 0..ROUNDS {
        let made = u32::try_from(stock.accepted()).unwrap_or(u32::MAX);
        let missing = request.count.saturating_sub(made);
        if missing == 0 {
            return Ok(());
        }
        let generation = Generation::new(request.number.clone(), request.secret.clone(), missing)?;
        insert_all(stock, generation, request).await?;
    }
    if u32::try_from(stock.accepted()) == Ok(request.count) {
        Ok(())
    } else {
        Err(GenerateCardsError::PatternExhausted)
    }
}

/// Draws and seals on a thread of its own while the database takes what was drawn before.
async fn insert_all(
    stock: &mut StockIn,
    generation: Generation,
    request: &GenerateCards,
) -> Result<(), GenerateCardsError> {
    let (sender, mut portions) = mpsc::channel::<Vec<SealedCard>>(PORTIONS_AHEAD);
    let (key, expires_at) = (Arc::clone(&stock.key), request.expires_at);
    let portion = StockIn::portion(request.uses_permitted);
    let drawing = tokio::task::spawn_blocking(move || {
        let mut sealed = Vec::new();
        for card in generation.cards(rand::rng()) {
            let card = card?;
            let card = SealedCard::seal(&key, &card.number, card.secret.as_ref(), expires_at);
            sealed.push(card.map_err(|error| GenerateCardsError::Store(error.into()))?);
            // The other side is gone when the store failed; its error is the one that counts.
            if sealed.len() >= portion && sender.blocking_send(std::mem::take(&mut sealed)).is_err() {
                return Ok(());
            }
        }
        let _ = sender.blocking_send(sealed);
        Ok::<(), GenerateCardsError>(())
    });
    while let Some(cards) = portions.recv().await {
        stock.insert(&cards).await?;
    }
    drawing.await?
}

fn repeated(batch: &BatchRow) -> GeneratedBatch {
    GeneratedBatch { batch: batch.id, made: u64::try_from(batch.accepted).unwrap_or(0), wakes: Vec::new() }
}

async fn read_again(
    engine: &Engine,
    ctx: &Ctx,
    key: &str,
    error: StoreError,
) -> Result<GeneratedBatch, GenerateCardsError> {
    match stock_in::find_after_lost_commit(engine, ctx, key).await? {
        Some(batch) => Ok(repeated(&batch)),
        None => Err(GenerateCardsError::NotStored(error)),
    }
}
