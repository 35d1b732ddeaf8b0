//! Takes cards out of stock, puts them back, or moves them to another pool: only cards that never left us.

use std::collections::BTreeMap;

use kamiflow_kernel::{CardId, CardUseId, CardUseState, Permission, PoolId};
use kamiflow_store::card_uses::{LineChange, Transition, UseRow};
use kamiflow_store::{StoreError, TenantTx, card_pools, card_uses, stock_waits};
use serde_json::json;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::pool_access::PoolAccess;

/// The most cards of one request.
pub const MOST_CARDS: usize = 5_000;

/// What is done with cards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CardAction {
    /// Take them out of stock.
    Void,
    /// Put voided ones back.
    Restore,
    /// Put them into another pool.
    Move(PoolId),
}

/// The request.
#[derive(Debug, Clone)]
pub struct ManageCards {
    /// Which cards.
    pub cards: Vec<CardId>,
    /// What is done with them.
    pub action: CardAction,
}

/// Why a card was left as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unchanged {
    /// It does not exist for this merchant.
    Unknown,
    /// A use of it may have left us.
    Exposed,
    /// A use of it is claimed, or otherwise not where the action begins.
    InState(CardUseState),
    /// It is there already.
    Already,
}

/// What became of the cards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedCards {
    /// Cards that changed.
    pub changed: Vec<CardId>,
    /// Cards that did not, and why.
    pub unchanged: Vec<(CardId, Unchanged)>,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why nothing could be done.
#[derive(Debug, thiserror::Error)]
pub enum ManageCardsError {
    /// Too many cards at once.
    #[error("{0} cards at once are too many; at most {MOST_CARDS} are possible")]
    TooMany(usize),
    /// The pool does not exist for this merchant.
    #[error("the card pool was not found")]
    PoolUnknown,
    /// Some of the cards are for shops of another platform than the pool.
    #[error("cards cannot be moved between sandbox shops and real ones")]
    OtherPlatform,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the cards could not be changed")]
    Store(#[from] StoreError),
}

/// Changes the cards that may be changed, each as a whole, and says why the others were left.
///
/// # Errors
/// When there are too many, the pool is unknown, or the store fails.
pub async fn manage_cards(engine: &Engine, ctx: &Ctx, request: &ManageCards) -> Result<ManagedCards, ManageCardsError> {
    ctx.require(Permission::ManageCards)?;
    if request.cards.len() > MOST_CARDS {
        return Err(ManageCardsError::TooMany(request.cards.len()));
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let mut moved_to = None;
    if let CardAction::Move(pool) = request.action {
        let row = card_pools::fetch(&mut tx, pool).await.map_err(|error| match error {
            StoreError::NotFound(_) => ManageCardsError::PoolUnknown,
            other => other.into(),
        })?;
        moved_to = Some(row.gateway);
    }
    // Pools before cards. A card that is moved between the two statements is in a pool that is not locked; then the
    // waits of that pool are found by the sweep.
    let mut pools = card_uses::list_pools(&mut tx, &request.cards).await?;
    pools.extend(match request.action {
        CardAction::Move(pool) => Some(pool),
        CardAction::Void | CardAction::Restore => None,
    });
    let access = PoolAccess::load(&mut tx, ctx, &pools).await?;
    if !pools.iter().all(|pool| access.sees(*pool)) {
        return Err(ManageCardsError::PoolUnknown);
    }
    if let Some(gateway) = moved_to {
        let fitting = card_pools::list_of_gateway(&mut tx, &pools, gateway).await?;
        if !pools.iter().all(|pool| fitting.contains(pool)) {
            return Err(ManageCardsError::OtherPlatform);
        }
    }
    card_pools::lock(&mut tx, &pools).await?;
    let sorted = Sorted::of(request, card_uses::lock_of_cards(&mut tx, &request.cards).await?);
    apply(&mut tx, ctx, request.action, &sorted.uses).await?;

    let mut wakes = Vec::new();
    if request.action != CardAction::Void && !sorted.uses.is_empty() {
        for pool in pools {
            wakes.extend(stock_waits::wake(&mut tx, pool, ctx.now).await?.into_iter().map(Wake::Deliver));
        }
    }
    record(&mut tx, ctx, request, &sorted).await?;
    tx.commit().await?;
    Ok(ManagedCards { changed: sorted.changed, unchanged: sorted.unchanged, wakes })
}

/// The cards of a request by what may be done with them.
struct Sorted {
    changed: Vec<CardId>,
    unchanged: Vec<(CardId, Unchanged)>,
    uses: Vec<CardUseId>,
}

impl Sorted {
    fn of(request: &ManageCards, rows: Vec<UseRow>) -> Self {
        let mut by_card: BTreeMap<CardId, Vec<UseRow>> = BTreeMap::new();
        for row in rows {
            by_card.entry(row.card).or_default().push(row);
        }
        let mut sorted = Self { changed: Vec::new(), unchanged: Vec::new(), uses: Vec::new() };
        let mut cards = request.cards.clone();
        cards.sort_unstable();
        cards.dedup();
        for card in cards {
            let uses = by_card.remove(&card).unwrap_or_default();
            match refusal(request.action, &uses) {
                Some(reason) => sorted.unchanged.push((card, reason)),
                None => {
                    sorted.changed.push(card);
                    sorted.uses.extend(uses.iter().map(|row| row.id));
                }
            }
        }
        sorted
    }
}

/// A card is changed as a whole: one use that left us, or that somebody holds, keeps all of it where it is.
fn refusal(action: CardAction, uses: &[UseRow]) -> Option<Unchanged> {
    let Some(first) = uses.first() else { return Some(Unchanged::Unknown) };
    if uses.iter().any(|row| row.exposed) {
        return Some(Unchanged::Exposed);
    }
    let (begins, ends) = match action {
        CardAction::Void => (CardUseState::Available, Some(CardUseState::Void)),
        CardAction::Restore => (CardUseState::Void, Some(CardUseState::Available)),
        CardAction::Move(pool) if first.pool == pool => return Some(Unchanged::Already),
        CardAction::Move(_) => (CardUseState::Available, None),
    };
    if uses.iter().all(|row| Some(row.state) == ends) {
        return Some(Unchanged::Already);
    }
    uses.iter().find(|row| row.state != begins).map(|row| Unchanged::InState(row.state))
}

async fn apply(tx: &mut TenantTx, ctx: &Ctx, action: CardAction, uses: &[CardUseId]) -> Result<(), StoreError> {
    let (from, to, cause) = match action {
        CardAction::Void => (CardUseState::Available, CardUseState::Void, "voided"),
        CardAction::Restore => (CardUseState::Void, CardUseState::Available, "restored"),
        CardAction::Move(pool) => {
            return card_uses::update_pool(tx, uses, pool, ctx.now).await.map(|_moved| ());
        }
    };
    let change =
        Transition { uses, from, to, cause, event: cause, delivery: None, line: LineChange::Keep, at: ctx.now };
    card_uses::transition(tx, &change).await.map(|_moved| ())
}

async fn record(tx: &mut TenantTx, ctx: &Ctx, request: &ManageCards, sorted: &Sorted) -> Result<(), StoreError> {
    let (action, pool) = match request.action {
        CardAction::Void => ("cards.void", None),
        CardAction::Restore => ("cards.restore", None),
        CardAction::Move(pool) => ("cards.move", Some(pool)),
    };
    let detail = json!({ "cards": sorted.changed, "pool": pool, "unchanged": sorted.unchanged.len() });
    acts::record(tx, ctx, action, ctx.merchant, detail).await
}
