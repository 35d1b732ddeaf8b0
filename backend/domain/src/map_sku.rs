//! Says what is done with orders of a SKU, and has the orders that waited for it looked at again.

use kamiflow_kernel::{DeliveryMethod, GatewayKind, Permission, PoolId, RedemptionMethod, ShopId, SkuId};
use kamiflow_store::products::{Handling, NewMapping, SkuRow};
use kamiflow_store::{StoreError, TenantTx, card_pools, products, shops, sku_lookup};
use serde_json::{Value, json};

use crate::acts;
use crate::compat::{self, CodeHolder, Refusal, Requirement};
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::pool_access;

/// The most cards for one unit bought.
const MOST_CARDS_PER_UNIT: i32 = 100;
/// Setting for `realtime`: which of ours was declared to the platform as `out_voucher_id`.
pub const VOUCHER_ID_SETTING: &str = "out_voucher_id";
/// Setting for `ota`: number of the store that redeems.
pub const STORE_ID_SETTING: &str = "store_id";
/// Setting for `ota`: name of that store.
pub const STORE_NAME_SETTING: &str = "store_name";

/// The request.
#[derive(Debug, Clone)]
pub struct MapSku {
    /// The SKU.
    pub sku: SkuId,
    /// What is done with its orders.
    pub handling: Handling,
    /// Settings of the methods: a JSON object.
    pub settings: Value,
}

/// Why a SKU cannot be handled like that.
#[derive(Debug, thiserror::Error)]
pub enum MapSkuError {
    /// The SKU does not exist for this merchant.
    #[error("the SKU was not found")]
    SkuUnknown,
    /// The pool does not exist for this merchant.
    #[error("the card pool was not found")]
    PoolUnknown,
    /// The pool is for shops of the other platform: sample cards never reach a real buyer, real ones never a sandbox.
    #[error("the card pool serves {0} shops only")]
    PoolOfOtherPlatform(GatewayKind),
    /// Goods, method and redemption do not fit together.
    #[error("the method does not fit the goods")]
    Incompatible(#[source] Refusal),
    /// The method hands out our cards, so it needs a pool.
    #[error("{0} hands out cards of a pool; choose one")]
    PoolMissing(DeliveryMethod),
    /// The method hands out no card of ours.
    #[error("{0} hands out no card of a pool; choose none")]
    PoolNotUsed(DeliveryMethod),
    /// Not from 1 to 100.
    #[error("{0} cards for one unit are not possible; choose 1 to 100")]
    CardsPerUnit(i32),
    /// A method needs a setting that is missing or of the wrong kind.
    #[error("the redemption method needs the setting `{0}`")]
    SettingMissing(&'static str),
    /// The settings are no JSON object.
    #[error("settings must be an object")]
    BadSettings,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the mapping could not be stored")]
    Store(#[from] StoreError),
}

impl From<Refusal> for MapSkuError {
    fn from(refusal: Refusal) -> Self {
        Self::Incompatible(refusal)
    }
}

/// Stores what is done with orders of a SKU; returns whom to wake.
///
/// # Errors
/// When the goods, the methods and the pool do not fit together, or the store fails.
pub async fn map_sku(engine: &Engine, ctx: &Ctx, request: &MapSku) -> Result<Vec<Wake>, MapSkuError> {
    ctx.require(Permission::MapSkus)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let sku = products::fetch_sku(&mut tx, request.sku).await.map_err(|error| match error {
        StoreError::NotFound(_) => MapSkuError::SkuUnknown,
        other => other.into(),
    })?;
    ctx.sees(sku.shop).map_err(|_hidden| MapSkuError::SkuUnknown)?;
    check(&sku, &request.handling, &request.settings)?;
    if let Handling::Deliver { pool: Some(pool), .. } = &request.handling {
        check_platform(&mut tx, ctx, (sku.shop, *pool)).await?;
    }
    let before = described_before(&tx, &sku).await?;
    let mapping = NewMapping { sku: sku.id, handling: request.handling.clone(), settings: request.settings.clone() };
    products::upsert_mapping(&mut tx, &mapping, ctx.now).await?;
    let waiting = products::undecide_orders(&mut tx, sku.id, ctx.now).await?;
    let after = described(&request.handling, &request.settings);
    let detail = json!({ "before": before, "after": after, "orders_waiting": waiting });
    acts::record(&mut tx, ctx, "sku.map", sku.id, detail).await?;
    tx.commit().await?;
    Ok(if waiting == 0 { Vec::new() } else { vec![Wake::Deliver(sku.shop)] })
}

/// Looks at the pool with its shop's platform. Neither ever changes, so what is true here stays true.
async fn check_platform(tx: &mut TenantTx, ctx: &Ctx, (shop, pool): (ShopId, PoolId)) -> Result<(), MapSkuError> {
    let unknown = |error| match error {
        StoreError::NotFound(_) => MapSkuError::PoolUnknown,
        other => MapSkuError::Store(other),
    };
    // A pool that serves none of the actor's shops is as unknown as another merchant's.
    pool_access::check(tx, ctx, pool).await.map_err(unknown)?;
    let serves = card_pools::fetch(tx, pool).await.map_err(unknown)?.gateway;
    let is_same = shops::fetch(tx, shop).await?.gateway == serves;
    if is_same { Ok(()) } else { Err(MapSkuError::PoolOfOtherPlatform(serves)) }
}

fn check(sku: &SkuRow, handling: &Handling, settings: &Value) -> Result<(), MapSkuError> {
    if !settings.is_object() {
        return Err(MapSkuError::BadSettings);
    }
    let Handling::Deliver { method, pool, redemption, cards_per_unit } = handling else { return Ok(()) };
    let row = compat::allowed(sku.goods_type, sku.delivery_type, *method)?;
    let needs = row.redemption(*redemption)?.needs;
    check_pool(row.holder, *method, *pool)?;
    if !(1..=MOST_CARDS_PER_UNIT).contains(cards_per_unit) {
        return Err(MapSkuError::CardsPerUnit(*cards_per_unit));
    }
    check_settings(*redemption, needs, settings)
}

const fn check_pool(holder: CodeHolder, method: DeliveryMethod, pool: Option<PoolId>) -> Result<(), MapSkuError> {
    match (holder, pool) {
        (CodeHolder::Pool | CodeHolder::PlatformImported, Some(_))
        | (CodeHolder::PlatformMade | CodeHolder::NoCode, None) => Ok(()),
        (CodeHolder::Pool | CodeHolder::PlatformImported, None) => Err(MapSkuError::PoolMissing(method)),
        (CodeHolder::PlatformMade | CodeHolder::NoCode, Some(_)) => Err(MapSkuError::PoolNotUsed(method)),
    }
}

fn check_settings(
    redemption: RedemptionMethod,
    needs: Option<Requirement>,
    settings: &Value,
) -> Result<(), MapSkuError> {
    let text = |name: &str| settings.get(name).and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty());
    match (redemption, needs) {
        (_, Some(Requirement::DeclaredVoucherId)) if !text(VOUCHER_ID_SETTING) => {
            Err(MapSkuError::SettingMissing(VOUCHER_ID_SETTING))
        }
        (RedemptionMethod::Ota, _) => {
            let store = settings.get(STORE_ID_SETTING).and_then(Value::as_i64).is_some_and(|id| id > 0);
            match (store, text(STORE_NAME_SETTING)) {
                (false, _) => Err(MapSkuError::SettingMissing(STORE_ID_SETTING)),
                (true, false) => Err(MapSkuError::SettingMissing(STORE_NAME_SETTING)),
                (true, true) => Ok(()),
            }
        }
        _ => Ok(()),
    }
}

fn described(handling: &Handling, settings: &Value) -> Value {
    match handling {
        Handling::Skip => json!({ "method": "skip" }),
        Handling::Deliver { method, pool, redemption, cards_per_unit } => json!({
            "method": method,
            "pool": pool,
            "redemption": redemption,
            "cards_per_unit": cards_per_unit,
            "settings": settings,
        }),
    }
}

/// What was said about the SKU until now, in the same words; nothing when nobody had said anything.
async fn described_before(tx: &TenantTx, sku: &SkuRow) -> Result<Value, StoreError> {
    let Some(facts) = sku_lookup::list(tx, sku.shop, &[sku.platform_sku_id]).await?.pop() else {
        return Ok(Value::Null);
    };
    Ok(match facts.delivery_method.as_deref() {
        None => Value::Null,
        Some("skip") => json!({ "method": "skip" }),
        Some(method) => json!({
            "method": method,
            "pool": facts.pool_id.map(PoolId::from_uuid),
            "redemption": facts.redemption_method,
            "cards_per_unit": facts.cards_per_unit,
            "settings": facts.settings,
        }),
    })
}
