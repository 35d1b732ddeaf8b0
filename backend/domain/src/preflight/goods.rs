//! What a pre-flight finds about goods: mapped, in stock, with a rule.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use kamiflow_kernel::{DeliveryMethod, PoolId, RedemptionMethod, ShopId};
use kamiflow_store::products::SkuRow;
use kamiflow_store::sku_lookup::SkuFacts;
use kamiflow_store::{StoreError, TenantTx, card_pools, products, rules, sku_lookup};

use super::{About, Check, CheckCode, Cure};
use crate::compat::{self, Kind};
use crate::connection_routes::{NeededFor, SaleKind};

const PAGE: i64 = 500;

/// What was found, and what the goods need of the platform.
pub(super) struct Goods {
    pub(super) checks: Vec<Check>,
    pub(super) needs: Vec<NeededFor>,
}

pub(super) async fn look(tx: &mut TenantTx, shop: ShopId, now: DateTime<Utc>) -> Result<Goods, StoreError> {
    let skus: Vec<SkuRow> = list(tx, shop).await?;
    let mut checks = vec![Check::failing(skus.is_empty(), CheckCode::Products, Cure::SyncProducts)];
    let on_sale: Vec<&SkuRow> = skus.iter().filter(|sku| sku.on_sale).collect();
    let numbers: Vec<i64> = on_sale.iter().map(|sku| sku.platform_sku_id).collect();
    let facts: HashMap<i64, SkuFacts> =
        sku_lookup::list(tx, shop, &numbers).await?.into_iter().map(|sku| (sku.platform_sku_id, sku)).collect();
    // SKUs of what is sent by post are nobody's here; what is not known might be virtual.
    let ours = on_sale.iter().filter(|sku| {
        sku.delivery_method.is_some()
            || !matches!(compat::classify(sku.goods_type, sku.delivery_type), Kind::Physical(_))
    });
    checks.extend(ours.map(|sku| mapping(sku)));
    let delivered: Vec<&SkuFacts> = facts.values().filter(|sku| method(sku).is_some()).collect();
    checks.extend(stock(tx, &delivered, now).await?);
    let redeemed = delivered.iter().any(|sku| redemption(sku).is_some());
    if redeemed {
        let none = !rules::list(tx).await?.iter().any(|rule| rule.enabled);
        checks.push(Check::failing(none, CheckCode::Rule, Cure::ChooseRule));
    }
    Ok(Goods { checks, needs: delivered.iter().flat_map(|sku| needs(sku)).collect() })
}

async fn list(tx: &mut TenantTx, shop: ShopId) -> Result<Vec<SkuRow>, StoreError> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = products::list_skus(tx, shop, after, PAGE).await?;
        after = page.last().map(|sku| sku.id);
        all.extend(page);
        if after.is_none() {
            return Ok(all);
        }
    }
}

/// A mapping to no delivery is a decision too.
fn mapping(sku: &SkuRow) -> Check {
    let fits = match sku.delivery_method.as_deref() {
        None => false,
        Some("skip") => true,
        Some(method) => {
            method.parse().is_ok_and(|method| compat::allowed(sku.goods_type, sku.delivery_type, method).is_ok())
        }
    };
    let name = [sku.goods_name.as_str(), sku.spec.as_str()].join(" ");
    let about = About::Sku { sku: sku.id, name: name.trim().to_owned() };
    Check { code: CheckCode::Mapping, about, cure: (!fits).then_some(Cure::MapSku) }
}

async fn stock(tx: &mut TenantTx, delivered: &[&SkuFacts], now: DateTime<Utc>) -> Result<Vec<Check>, StoreError> {
    let mut pools: BTreeMap<PoolId, bool> = BTreeMap::new();
    for sku in delivered {
        let Some(pool) = sku.pool_id.map(PoolId::from_uuid) else { continue };
        // What was imported into the platform's stock is handed out from there.
        *pools.entry(pool).or_default() |= method(sku) == Some(DeliveryMethod::PlatformPool);
    }
    let mut checks = Vec::with_capacity(pools.len());
    for (pool, at_platform) in pools {
        let count = card_pools::count_stock(tx, pool, now).await?;
        let there = if at_platform { count.at_platform } else { count.available };
        let name = card_pools::fetch(tx, pool).await?.name;
        let cure = (there == 0).then_some(Cure::AddStock);
        checks.push(Check { code: CheckCode::Stock, about: About::Pool { pool, name }, cure });
    }
    Ok(checks)
}

fn method(sku: &SkuFacts) -> Option<DeliveryMethod> {
    sku.delivery_method.as_deref()?.parse().ok()
}

fn redemption(sku: &SkuFacts) -> Option<RedemptionMethod> {
    let method = sku.redemption_method.as_deref()?.parse().ok()?;
    (method != RedemptionMethod::None).then_some(method)
}

fn needs(sku: &SkuFacts) -> Vec<NeededFor> {
    let mut needs: Vec<NeededFor> = method(sku).map(NeededFor::Delivery).into_iter().collect();
    if method(sku) == Some(DeliveryMethod::PlatformPool) {
        needs.push(NeededFor::LinkingCodes);
    }
    let redeemed = redemption(sku).map(|method| match method {
        RedemptionMethod::ReportCard => SaleKind::MerchantCards,
        RedemptionMethod::Ota => SaleKind::PlatformCards,
        RedemptionMethod::Realtime | RedemptionMethod::None => SaleKind::PlainVirtual,
    });
    needs.extend(redeemed.map(NeededFor::Redemption));
    needs
}
