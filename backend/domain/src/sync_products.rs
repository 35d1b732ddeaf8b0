//! Reads a shop's products and SKUs, page by page, and then the details that lists do not tell.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kamiflow_kernel::ShopId;
use kamiflow_store::jobs::{self, NewJob};
use kamiflow_store::products::{DetailChange, ProductChange, SkuChange};
use kamiflow_store::{StoreError, TenantTx, backlog, products};
use serde_json::json;
use tracing::warn;

use crate::ctx::Ctx;
use crate::engine::{Engine, Wake};
use crate::market_trouble;
use crate::marketplace::{ErrorClass, MarketError, PageRequest, PlatformProduct};
use crate::shop_access::{self, Shop};
use crate::tokens::{self, Recovery};

/// Name of the job that reads a shop's products, and again every hour; its payload is `{"shop": id}`.
pub const NAME: &str = "sync_products.v1";
/// Products per page; the platform's most.
const PAGE_SIZE: u32 = 100;
/// Pages of one run: the platform's lists end there.
const MOST_PAGES: u32 = 100;
/// Details read in one run; each is a call of its own.
const MOST_DETAILS: i64 = 200;

/// What a run found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncedProducts {
    /// Products in the list.
    pub products: usize,
    /// SKUs in the list.
    pub skus: usize,
    /// Details read.
    pub details: usize,
    /// Whether there are more details to read: run again.
    pub more_details: bool,
}

/// Why products could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SyncProductsError {
    /// The shop's token is dead, and so the shop has stopped.
    #[error("the shop must be authorized anew")]
    Stopped,
    /// The application is stopped; nothing was asked.
    #[error("the application is stopped")]
    ApplicationStopped,
    /// The platform refused or could not be reached; what was read before is stored.
    #[error("the platform did not give the products")]
    Market(#[source] Box<MarketError>),
    /// The store failed.
    #[error("the products could not be stored")]
    Store(#[from] StoreError),
}

impl From<MarketError> for SyncProductsError {
    fn from(error: MarketError) -> Self {
        Self::Market(Box::new(error))
    }
}

/// Reads all products of a shop; what is gone from the list is marked as off sale and kept.
///
/// # Errors
/// See [`SyncProductsError`]. A run that ends early has marked nothing as off sale.
pub async fn sync_products(engine: &Engine, ctx: &Ctx, shop: ShopId) -> Result<SyncedProducts, SyncProductsError> {
    let tx = engine.store.tenant_tx(ctx.merchant).await?;
    let mut opened = shop_access::open(&tx, shop).await?;
    tx.commit().await?;
    if opened.application_stopped {
        return Err(SyncProductsError::ApplicationStopped);
    }
    let listed = match read_list(engine, ctx, &opened).await {
        Err(SyncProductsError::Market(error))
            if matches!(error.class, ErrorClass::StopApi | ErrorClass::StopApplication | ErrorClass::StopMall) =>
        {
            market_trouble::settle(engine, &opened, &error).await?;
            return Err(SyncProductsError::Market(error));
        }
        Err(SyncProductsError::Market(error)) if error.class == ErrorClass::Reauthorize => {
            match tokens::recover(engine, ctx, shop, opened.access.token_version).await? {
                Recovery::RetryWith(newer) => opened = *newer,
                Recovery::Later(_at) => return Err(SyncProductsError::Market(error)),
                Recovery::Stopped => return Err(SyncProductsError::Stopped),
            }
            read_list(engine, ctx, &opened).await?
        }
        listed => listed?,
    };
    let (details, more_details) = read_details(engine, ctx, &opened).await?;
    if details > 0 {
        // Orders that came before their product was known can be decided about now.
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        backlog::hint_unmapped(&mut tx, shop, ctx.now).await?;
        tx.commit().await?;
    }
    Ok(SyncedProducts { details, more_details, ..listed })
}

/// Plans a run, at once if one is planned for later already.
///
/// # Errors
/// When the store fails.
pub async fn plan(tx: &mut TenantTx, shop: ShopId, now: DateTime<Utc>) -> Result<Wake, StoreError> {
    let key = shop.to_string();
    let job = NewJob { name: NAME, key: &key, payload: json!({ "shop": shop }), due_at: now };
    Ok(Wake::Job(jobs::insert(tx, &job).await?))
}

async fn read_list(engine: &Engine, ctx: &Ctx, shop: &Shop) -> Result<SyncedProducts, SyncProductsError> {
    let mut found = SyncedProducts { products: 0, skus: 0, details: 0, more_details: false };
    for number in 1..=MOST_PAGES {
        let page = PageRequest { number, size: PAGE_SIZE, with_total: true };
        let listed = engine.market.products(&shop.access, page).await?;
        let skus = store_page(engine, ctx, shop, &listed.products).await?;
        found.products += listed.products.len();
        found.skus += skus;
        let total = usize::try_from(listed.total).unwrap_or(usize::MAX);
        if listed.products.is_empty() || found.products >= total {
            let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
            products::update_unseen(&mut tx, shop.access.shop, ctx.now).await?;
            tx.commit().await?;
            return Ok(found);
        }
    }
    warn!(shop.id = %shop.access.shop, "Shop `{}` has more products than a sync reads", shop.access.shop);
    Ok(found)
}

async fn store_page(
    engine: &Engine,
    ctx: &Ctx,
    shop: &Shop,
    page: &[PlatformProduct],
) -> Result<usize, SyncProductsError> {
    // A page that shifted while it was read may show a number twice; one statement cannot write a row twice.
    let by_goods: BTreeMap<_, _> = page.iter().map(|product| (product.goods_id, product)).collect();
    let changes: Vec<ProductChange<'_>> = by_goods
        .values()
        .map(|product| ProductChange {
            goods_id: product.goods_id,
            name: &product.name,
            image_url: &product.image_url,
            on_sale: product.on_sale,
        })
        .collect();
    let by_sku: BTreeMap<_, _> = by_goods
        .values()
        .flat_map(|product| product.skus.iter().map(move |sku| (sku.sku_id, (product.goods_id, sku))))
        .collect();
    let skus: Vec<SkuChange<'_>> = by_sku
        .values()
        .map(|(goods_id, sku)| SkuChange {
            goods_id: *goods_id,
            sku_id: sku.sku_id,
            outer_id: &sku.outer_id,
            spec: &sku.spec,
            quantity: sku.quantity,
            on_sale: sku.on_sale,
        })
        .collect();
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    products::upsert_products(&mut tx, shop.access.shop, &changes, ctx.now).await?;
    products::upsert_skus(&mut tx, shop.access.shop, &skus, ctx.now).await?;
    tx.commit().await?;
    Ok(skus.len())
}

/// Reads details of products that have none; one that the platform refuses is left for the next run.
async fn read_details(engine: &Engine, ctx: &Ctx, shop: &Shop) -> Result<(usize, bool), SyncProductsError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let wanted = products::list_without_detail(&mut tx, shop.access.shop, MOST_DETAILS).await?;
    tx.commit().await?;
    let mut details = Vec::with_capacity(wanted.len());
    for goods_id in &wanted {
        match engine.market.product_detail(&shop.access, *goods_id).await {
            Ok(detail) => details.push(DetailChange {
                goods_id: *goods_id,
                goods_type: detail.goods_type,
                delivery_type: detail.delivery_type,
                cat_id: detail.cat_id,
            }),
            Err(error) if matches!(error.class, ErrorClass::Rejected | ErrorClass::NotFound) => {
                warn!(error = %error, "The platform gave no detail of product {goods_id}");
            }
            Err(error) => {
                warn!(error = %error, "Stopped reading details of products at {goods_id}");
                break;
            }
        }
    }
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    products::update_details(&mut tx, shop.access.shop, &details).await?;
    tx.commit().await?;
    let full = i64::try_from(wanted.len()).is_ok_and(|wanted| wanted >= MOST_DETAILS);
    Ok((details.len(), full && !details.is_empty()))
}
