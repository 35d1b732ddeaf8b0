//! Imports cards into the platform's own stock, from which the platform hands them out itself (`platform_pool`).
//!
//! The cards are `uploading` before the call. Certain refusal puts them back into stock; success makes them
//! `at_platform`; whatever else happens, they may be there, so they are quarantined and a person decides: an unknown
//! upload is never sent again by itself. An import whose process died is settled like one that timed out, by [`sweep`].
//!
//! What may not be handed over may not be imported either: nothing leaves for a shop that is not live, nothing of what is
//! paused.

use kamiflow_kernel::{CardUseId, CardUseState, DataKeyId, PoolId, ReasonCode, SecretText, ShopId, ShopState, SkuId};
use kamiflow_store::card_uses::{self, LineChange, Transition};
use kamiflow_store::exceptions::{self, NewException};
use kamiflow_store::platform_uploads::{self, NewUpload, OwnedSku, UploadEnd, UploadTarget, Wanted};
use kamiflow_store::{SealError, StoreError, TenantTx, card_pools, cards, stock_waits};
use serde_json::json;
use uuid::Uuid;

use crate::acts;
use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::market_trouble;
use crate::marketplace::{CardUpload, ErrorClass, MarketError, UploadCard};
use crate::pause_check::Paused;
use crate::shop_access::{self, Shop};
use kamiflow_kernel::{GoodsId, PlatformSkuId};

/// Most cards of one call (protocol 4.3).
pub(crate) const MOST_CARDS: u32 = 5_000;

/// What is to be imported.
#[derive(Debug, Clone, Copy)]
pub struct UploadCards {
    /// For which SKU; it must be mapped to `platform_pool`.
    pub sku: SkuId,
    /// At most how many cards; at most 5,000.
    pub count: u32,
}

/// What an import did.
#[derive(Debug, Clone, Default)]
pub struct UploadReport {
    /// Cards that are in the platform's stock now.
    pub uploaded: usize,
    /// Who got cards back after a refusal.
    pub wakes: Vec<Wake>,
}

/// Why nothing, or not certainly anything, was imported.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The SKU is not mapped to `platform_pool`.
    #[error("sku {0} is not mapped to platform_pool")]
    NotMapped(SkuId),
    /// An import of the SKU is under way, or its end is not known yet.
    #[error("an import of sku {0} is under way")]
    UnderWay(SkuId),
    /// The pool has no card that could be imported.
    #[error("the pool has no card to import")]
    NoStock,
    /// A card has no secret, which the platform requires as its password.
    #[error("card {0} has no secret, which the platform requires as its password")]
    NoPassword(kamiflow_kernel::CardId),
    /// The shop is in trial run, stopped, or cannot be called.
    #[error("shop {0} is not live")]
    ShopNotLive(ShopId),
    /// Its merchant, shop, SKU or pool is paused.
    #[error("deliveries of sku {0} are paused")]
    Paused(SkuId),
    /// It took so long that it was settled as unknown meanwhile; the cards are quarantined and an exception is open.
    #[error("the import of sku {0} was settled as unknown before its answer came")]
    Overtaken(SkuId),
    /// The platform refused; the cards are back in stock.
    #[error("the platform refused the import")]
    Refused(#[source] MarketError),
    /// The outcome is not known; the cards are quarantined and an exception is open.
    #[error("the outcome of the import is not known")]
    Unknown(#[source] MarketError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

impl From<SealError> for UploadError {
    fn from(error: SealError) -> Self {
        Self::Store(error.into())
    }
}

struct Begun {
    shop: Shop,
    upload: NewUpload,
    call: CardUpload,
    pool: PoolId,
}

/// Imports cards.
///
/// # Errors
/// See [`UploadError`].
pub async fn upload_cards(engine: &Engine, ctx: &Ctx, request: UploadCards) -> Result<UploadReport, UploadError> {
    settle_stale(engine, ctx, request.sku).await?;
    let sku = request.sku;
    let begun = begin(engine, ctx, request).await?;
    let result = engine.market.upload_cards(&begun.shop.access, &begun.call, begun.upload.deadline).await;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    match result {
        Ok(batch) => {
            let ended = finish(&mut tx, engine, &begun.upload, UploadEnd::Succeeded, Some(batch)).await?;
            tx.commit().await?;
            if !ended {
                return Err(UploadError::Overtaken(sku));
            }
            Ok(UploadReport { uploaded: begun.upload.uses.len(), wakes: Vec::new() })
        }
        Err(error) if error.class == ErrorClass::OutcomeUnknown => {
            finish(&mut tx, engine, &begun.upload, UploadEnd::Unknown, None).await?;
            tx.commit().await?;
            Err(UploadError::Unknown(error))
        }
        Err(error) => {
            card_pools::lock(&mut tx, &[begun.pool]).await?;
            let ended = finish(&mut tx, engine, &begun.upload, UploadEnd::Failed, None).await?;
            stock_waits::wake(&mut tx, begun.pool, engine.now()).await?;
            tx.commit().await?;
            if !ended {
                return Err(UploadError::Overtaken(sku));
            }
            if market_trouble::is_shared(&error) {
                market_trouble::settle(engine, &begun.shop, &error).await?;
            }
            Err(UploadError::Refused(error))
        }
    }
}

/// Settles the imports of all merchants whose process died; returns how many. Nobody is called: whether the platform has
/// the cards is for a person to find out.
///
/// # Errors
/// When the store fails; what was settled stays.
pub async fn sweep(engine: &Engine, limit: i32) -> Result<usize, StoreError> {
    // Ids only; each import is settled in its merchant's own transaction.
    let mut tx = engine.store.system_tx().await?;
    let stale = platform_uploads::list_stale(&mut tx, engine.now() - engine.config.resolve_after, limit).await?;
    tx.commit().await?;
    for OwnedSku { merchant, sku } in &stale {
        settle_stale(engine, &engine.ctx("upload", *merchant), *sku).await?;
        tracing::warn!(sku.id = %sku, "An import of SKU `{sku}` was left without an end; its cards are quarantined");
    }
    Ok(stale.len())
}

/// An import whose sender died is unknown like one that timed out.
async fn settle_stale(engine: &Engine, ctx: &Ctx, sku: SkuId) -> Result<(), StoreError> {
    let patience = engine.config.resolve_after;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    if let Some(stale) = platform_uploads::lock_stale(&mut tx, sku, ctx.now - patience).await? {
        let uses = platform_uploads::list_uses(&mut tx, stale.id).await?;
        let shop = ShopId::from_uuid(stale.shop_id);
        let upload = NewUpload { id: stale.id, shop, sku, uses, now: ctx.now, deadline: ctx.now };
        finish(&mut tx, engine, &upload, UploadEnd::Unknown, None).await?;
    }
    tx.commit().await
}

async fn begin(engine: &Engine, ctx: &Ctx, request: UploadCards) -> Result<Begun, UploadError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    // Held until the cards are taken: a pause that is set meanwhile waits, and holds from the next import on.
    let paused = Paused::keep(&mut tx, ctx.now).await?;
    let target =
        platform_uploads::find_target(&mut tx, request.sku).await?.ok_or(UploadError::NotMapped(request.sku))?;
    let pool = PoolId::from_uuid(target.pool_id);
    let shop = shop_access::open(&tx, ShopId::from_uuid(target.shop_id)).await?;
    if shop.state != ShopState::Live || !market_trouble::may_call(&shop) {
        return Err(UploadError::ShopNotLive(shop.access.shop));
    }
    if paused.hand_over_of(shop.access.shop, request.sku, Some(pool)) {
        return Err(UploadError::Paused(request.sku));
    }
    let min_validity = card_pools::fetch(&mut tx, pool).await?.min_validity_s;
    let wanted = Wanted {
        pool,
        valid_after: ctx.now + chrono::TimeDelta::seconds(i64::from(min_validity)),
        paused_batches: paused.batches(),
        limit: i64::from(request.count.min(MOST_CARDS)),
    };
    let uses = platform_uploads::lock_available(&mut tx, &wanted).await?;
    if uses.is_empty() {
        return Err(UploadError::NoStock);
    }
    let call = call(&mut tx, &target, &uses).await?;
    let now = engine.now();
    let upload = NewUpload {
        id: Uuid::now_v7(),
        shop: shop.access.shop,
        sku: request.sku,
        uses,
        now,
        deadline: now + engine.config.send_deadline,
    };
    platform_uploads::start(&mut tx, &upload).await.map_err(|error| match error.constraint() {
        Some("platform_uploads_one_open") => UploadError::UnderWay(request.sku),
        _ => UploadError::Store(error),
    })?;
    let way = (CardUseState::Available, CardUseState::Uploading, "upload_started");
    transition(&mut tx, &upload, way, ctx).await?;
    acts::record(&mut tx, ctx, "cards.upload", request.sku, json!({ "cards": upload.uses.len() })).await?;
    tx.commit().await?;
    Ok(Begun { shop, upload, call, pool })
}

async fn call(tx: &mut TenantTx, target: &UploadTarget, uses: &[CardUseId]) -> Result<CardUpload, UploadError> {
    let text = |bytes: kamiflow_kernel::SecretBytes| -> Result<SecretText, SealError> {
        std::str::from_utf8(bytes.expose()).map(SecretText::from).map_err(|_not_text| SealError::DoesNotOpen)
    };
    let mut opened = Vec::with_capacity(uses.len());
    for card in platform_uploads::list_cards(tx, uses).await? {
        let key = tx.data_key_by_id(DataKeyId::from_uuid(card.data_key_id)).await?;
        let secret = card
            .secret_sealed
            .as_ref()
            .ok_or(UploadError::NoPassword(kamiflow_kernel::CardId::from_uuid(card.card_id)))?;
        opened.push(UploadCard {
            number: text(key.open(cards::NUMBER, card.card_id, &card.number_sealed)?)?,
            password: text(key.open(cards::SECRET, card.card_id, secret)?)?,
        });
    }
    let charge_address = target.settings.get("charge_address").and_then(|value| value.as_str()).unwrap_or_default();
    Ok(CardUpload {
        goods_id: GoodsId(target.goods_id),
        sku_id: PlatformSkuId(target.platform_sku_id),
        charge_address: charge_address.to_owned(),
        cards: opened,
    })
}

/// Ends an import that is under way, with its cards; returns whether it was.
async fn finish(
    tx: &mut TenantTx,
    engine: &Engine,
    upload: &NewUpload,
    end: UploadEnd,
    batch: Option<i64>,
) -> Result<bool, StoreError> {
    if !platform_uploads::end(tx, upload.id, end, batch, engine.now()).await? {
        return Ok(false);
    }
    let ctx = engine.ctx("upload", tx.merchant());
    let to = match end {
        UploadEnd::Succeeded => (CardUseState::AtPlatform, "uploaded"),
        UploadEnd::Failed => (CardUseState::Available, "upload_refused"),
        UploadEnd::Unknown => (CardUseState::Quarantined, "upload_unknown"),
    };
    transition(tx, upload, (CardUseState::Uploading, to.0, to.1), &ctx).await?;
    if end == UploadEnd::Unknown {
        let exception = NewException {
            shop: upload.shop,
            order: None,
            code: ReasonCode::UploadUnknown,
            needs_review: true,
            detail: json!({ "sku": upload.sku.to_string(), "cards": upload.uses.len() }),
        };
        exceptions::open(tx, &[exception]).await?;
    }
    Ok(true)
}

async fn transition(
    tx: &mut TenantTx,
    upload: &NewUpload,
    way: (CardUseState, CardUseState, &str),
    ctx: &Ctx,
) -> Result<(), StoreError> {
    let (from, to, cause) = way;
    let change = Transition {
        uses: &upload.uses,
        from,
        to,
        cause,
        event: cause,
        delivery: None,
        line: LineChange::Keep,
        at: ctx.now,
    };
    card_uses::transition(tx, &change).await.map(|_moved| ())
}
