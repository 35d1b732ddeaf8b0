//! Sets the demo's merchant up as a person would: connect, sync, map, stock, go live. What is there already is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, Result};
use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::{Engine, Wake};
use kamiflow_domain::generate_cards::{GenerateCards, generate_cards};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::redemption_rules::{Preset, RuleSet};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::save_rules;
use kamiflow_domain::sync_products::sync_products;
use kamiflow_domain::upload_cards::{UploadCards, upload_cards};
use kamiflow_kernel::{GatewayKind, MerchantId, PoolId, RuleId, ShopId, ShopState, SkuId};
use kamiflow_store::products::{self, Handling};
use kamiflow_store::{card_pools, shops, system};
use serde_json::json;
use uuid::Uuid;

use super::catalog::{self, Good};
use crate::sandbox_control::Control;

/// Fastest polling of the demo's plan, seconds.
/// How far back a new shop is read.
const LOOK_BACK: Duration = Duration::from_secs(60);
const NUMBER: &str = "KF{X:14}";
const SECRET: &str = "{9:16}";
/// Most SKUs of a demo shop.
const SKUS: i64 = 100;

/// The merchant with the shops, ready to sell.
#[derive(Debug, Clone)]
pub(super) struct Merchant {
    pub(super) id: MerchantId,
    /// By the shop's number, from 1.
    pub(super) shops: BTreeMap<i64, ShopId>,
    pools: BTreeMap<Good, PoolId>,
    imported: Vec<SkuId>,
}

/// Cards that must be in stock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stock {
    /// In each pool we hand out from.
    pub(super) cards: u32,
    /// In the platform's own stock, per shop.
    pub(super) imported: u32,
}

/// Returns the circumstances of an act of the demo's operator.
pub(super) fn act(engine: &Engine, merchant: MerchantId) -> Ctx {
    let request_id = format!("demo-{}", Uuid::now_v7().simple());
    Ctx { actor: Actor::Operator, merchant, request_id, now: engine.now() }
}

impl Merchant {
    /// Sets up what is missing. Shops are authorized anew each time, because the sandbox forgets its tokens.
    pub(super) async fn set_up(engine: &Engine, control: &Control) -> Result<Self> {
        let id = merchant(engine).await?;
        let ctx = act(engine, id);
        let application = RegisterApplication {
            owner: ApplicationOwner::Hosted,
            gateway: GatewayKind::Sandbox,
            client_id: catalog::CLIENT_ID.to_owned(),
            client_secret: catalog::CLIENT_SECRET.into(),
            app_type: "商家后台系统".to_owned(),
            packages: Vec::new(),
        };
        let application = register_application(engine, &ctx, &application).await?;
        let pools = pools(engine, id).await?;
        let mut set_up = Self { id, shops: BTreeMap::new(), pools, imported: Vec::new() };
        for number in catalog::shops() {
            let mall = u64::try_from(catalog::mall_id(number))?;
            let request = ConnectShop {
                application,
                grant: Grant::Code(control.authorize(catalog::CLIENT_ID, mall).await?),
                purpose: Purpose::Connect,
                look_back: LOOK_BACK,
            };
            let shop = connect_shop(engine, &act(engine, id), &request).await.context("cannot connect a shop")?.shop;
            while sync_products(engine, &act(engine, id), shop).await?.more_details {}
            set_up.map(engine, shop).await?;
            set_up.shops.insert(number, shop);
        }
        rules(engine, id).await?;
        Ok(set_up)
    }

    /// Maps the SKUs that are to be delivered and have no mapping yet.
    async fn map(&mut self, engine: &Engine, shop: ShopId) -> Result<()> {
        let mut tx = engine.store.tenant_tx(self.id).await?;
        let skus = products::list_skus(&mut tx, shop, None, SKUS).await?;
        tx.commit().await?;
        for sku in skus {
            let Some(good) = Good::of_sku(sku.platform_sku_id) else { continue };
            let Some((method, redemption)) = good.handling() else { continue };
            if good == Good::Pool {
                self.imported.push(sku.id);
            }
            if sku.delivery_method.is_some() {
                continue;
            }
            let pool = self.pools.get(&good).copied();
            let handling = Handling::Deliver { method, pool, redemption, cards_per_unit: 1 };
            let request = MapSku { sku: sku.id, handling, settings: json!({}) };
            map_sku(engine, &act(engine, self.id), &request)
                .await
                .with_context(|| format!("cannot map `{}`", sku.goods_name))?;
        }
        Ok(())
    }

    /// Generates cards until each pool has enough of them; returns how many were made and whom to wake.
    pub(super) async fn stock_up(&self, engine: &Engine, wanted: u32) -> Result<(u32, Vec<Wake>)> {
        let (mut made, mut wakes) = (0, Vec::new());
        for pool in self.pools.values() {
            let mut tx = engine.store.tenant_tx(self.id).await?;
            let stock = card_pools::count_stock(&mut tx, *pool, engine.now()).await?;
            tx.commit().await?;
            let missing = wanted.saturating_sub(u32::try_from(stock.available).unwrap_or(u32::MAX));
            if missing == 0 {
                continue;
            }
            let request = GenerateCards {
                pool: *pool,
                caller_id: Uuid::now_v7().simple().to_string(),
                number: NUMBER.parse()?,
                secret: Some(SECRET.parse()?),
                count: missing,
                expires_at: None,
                uses_permitted: 1,
            };
            wakes.extend(generate_cards(engine, &act(engine, self.id), &request).await?.wakes);
            made += missing;
        }
        Ok((made, wakes))
    }

    /// Imports cards into the platform's own stock.
    pub(super) async fn import(&self, engine: &Engine, cards: u32) -> Result<usize> {
        let mut imported = 0;
        for sku in &self.imported {
            let request = UploadCards { sku: *sku, count: cards };
            imported += upload_cards(engine, &act(engine, self.id), request).await?.uploaded;
        }
        Ok(imported)
    }

    /// Lets the shops deliver what is paid from now on.
    pub(super) async fn go_live(&self, engine: &Engine) -> Result<()> {
        // The platform tells times of payment in whole seconds.
        let deliver_from = engine.now() - TimeDelta::seconds(1);
        for shop in self.shops.values() {
            let mut tx = engine.store.tenant_tx(self.id).await?;
            let row = shops::fetch(&mut tx, *shop).await?;
            tx.commit().await?;
            if row.state == ShopState::TrialRun {
                let request = GoLive { shop: *shop, deliver_from, release: Vec::new() };
                go_live(engine, &act(engine, self.id), &request).await?;
            }
        }
        Ok(())
    }
}

/// Returns the merchant of the demo's owner, which is the oldest one.
async fn merchant(engine: &Engine) -> Result<MerchantId> {
    let mut tx = engine.store.system_tx().await?;
    let known = system::list_merchants(&mut tx).await?;
    tx.commit().await?;
    // Ids are time-ordered: whoever signed up in the demo came later.
    known.into_iter().filter(|id| *id != MerchantId::PLATFORM).min().context("the demo's owner has no merchant")
}

async fn pools(engine: &Engine, merchant: MerchantId) -> Result<BTreeMap<Good, PoolId>> {
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let mut pools = BTreeMap::new();
    for good in Good::ALL {
        let Some(name) = good.pool() else { continue };
        let id = match card_pools::find_by_name(&mut tx, name).await? {
            Some(row) => row.id,
            None => {
                let id = PoolId::generate();
                let new = card_pools::NewPool {
                    id,
                    name,
                    gateway: GatewayKind::Sandbox,
                    min_validity_s: 0,
                    low_stock_at: 100,
                };
                card_pools::insert(&mut tx, &new).await?;
                id
            }
        };
        pools.insert(good, id);
    }
    tx.commit().await?;
    Ok(pools)
}

/// Redeems what can be redeemed as soon as it is delivered, unless somebody saved other rules.
async fn rules(engine: &Engine, merchant: MerchantId) -> Result<()> {
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let saved = save_rules::load(&mut tx).await?;
    tx.commit().await?;
    if saved.rules.is_empty() {
        let rules = RuleSet::new(vec![Preset::Immediately.rule(RuleId::generate())])?;
        save_rules::save(engine, &act(engine, merchant), &rules).await?;
    }
    Ok(())
}
