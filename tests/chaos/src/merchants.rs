//! The merchants of a phase: connected, mapped and live through the use cases, with exactly as many cards as ordered.

use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::engine::{Engine, EngineConfig, Wake};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportCardsError, ImportMode, import_cards};
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::marketplace::Tokens;
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    ApplicationId, Clock, DeliveryMethod, GatewayKind, MallId, MerchantId, PoolId, RedemptionMethod, SecretBytes,
};
use kamiflow_pinduoduo::ClientConfig;
use kamiflow_pinduoduo::limits::{CallBudget, NoBudget};
use kamiflow_pinduoduo::marketplace::{GatewayConfig, PinduoduoMarket};
use kamiflow_runtime::clock::SystemClock;
use kamiflow_store::card_pools::{self, NewPool};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::products::{self, Handling};
use kamiflow_store::{KeyRing, Store, StoreConfig};
use serde_json::json;
use uuid::Uuid;

use crate::platform::{CLIENT_SECRET, MERCHANTS, Mall, Platform, access_token, client_id, refresh_token};

/// The master key of the run; workers are given it too.
pub(crate) const MASTER_KEY: [u8; 32] = *b"a key for chaos, never a secret.";
/// Its id.
pub(crate) const MASTER_KEY_ID: &str = "chaos";
/// Fastest polling: what push has lost is found by it.
const POLL_FLOOR_S: i32 = 5;
/// How long an import is tried again while Postgres is struck.
const IMPORT_TRIES: u32 = 120;
const TRY_AGAIN: Duration = Duration::from_millis(500);

/// A merchant with an application and a pool.
#[derive(Clone, Copy)]
pub(crate) struct Merchant {
    pub(crate) id: MerchantId,
    application: ApplicationId,
    pool: PoolId,
}

/// Returns the engine that arranges and looks; its connections do not lead through the proxy.
pub(crate) fn engine(database_url: String, platform: &Platform) -> Result<Engine> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let budget: Arc<dyn CallBudget> = Arc::new(NoBudget);
    let client = ClientConfig::new(GatewayKind::Sandbox, platform.gateway_url().parse()?);
    let ring = KeyRing::new([(MASTER_KEY_ID.to_owned(), SecretBytes::new(MASTER_KEY.to_vec()))], MASTER_KEY_ID)?;
    let store = StoreConfig { url: database_url, pool_size: 4, wait: Duration::from_secs(30) };
    Ok(Engine {
        store: Store::new(&store, ring)?,
        market: Arc::new(PinduoduoMarket::new([GatewayConfig { client, card_key: None }], &clock, &budget)?),
        clock,
        config: Arc::new(EngineConfig { window_lag: Duration::from_secs(2), ..EngineConfig::default() }),
    })
}

/// Signs the merchants up and connects their malls.
pub(crate) async fn set_up(engine: &Engine, malls: &[Mall]) -> Result<Vec<Merchant>> {
    let mut all = Vec::with_capacity(MERCHANTS);
    for number in 0..MERCHANTS {
        let merchant = sign_up(engine, number).await?;
        for mall in malls.iter().filter(|mall| mall.merchant == number) {
            connect(engine, &merchant, *mall).await.context("a shop cannot go live")?;
        }
        all.push(merchant);
    }
    Ok(all)
}

async fn sign_up(engine: &Engine, number: usize) -> Result<Merchant> {
    let (id, pool) = (MerchantId::generate(), PoolId::generate());
    let mut tx = engine.store.tenant_tx(id).await?;
    merchants::insert(&mut tx, &NewMerchant { name: "商家", poll_floor_s: POLL_FLOOR_S }).await?;
    card_pools::insert(&mut tx, &NewPool { id: pool, name: "cards", min_validity_s: 0, low_stock_at: 0 }).await?;
    tx.commit().await?;
    let request = RegisterApplication {
        owner: ApplicationOwner::Own,
        gateway: GatewayKind::Sandbox,
        client_id: client_id(number),
        client_secret: CLIENT_SECRET.into(),
        app_type: String::new(),
        packages: Vec::new(),
    };
    let application = register_application(engine, &act(engine, id), &request).await?;
    Ok(Merchant { id, application, pool })
}

async fn connect(engine: &Engine, merchant: &Merchant, mall: Mall) -> Result<()> {
    let act = || act(engine, merchant.id);
    let expires_at = engine.now() + TimeDelta::days(300);
    let tokens = Tokens {
        access_token: access_token(mall.id).as_str().into(),
        refresh_token: refresh_token(mall.id).as_str().into(),
        expires_at,
        refresh_expires_at: expires_at,
        mall: MallId(mall.id.try_into()?),
        owner_name: "chaos".to_owned(),
        scopes: Vec::new(),
    };
    let request = ConnectShop {
        application: merchant.application,
        grant: Grant::Tokens(Box::new(tokens)),
        purpose: Purpose::Connect,
        look_back: Duration::from_secs(10),
    };
    let shop = connect_shop(engine, &act(), &request).await?.shop;
    while sync_products(engine, &act(), shop).await?.more_details {}
    let mut tx = engine.store.tenant_tx(merchant.id).await?;
    let skus = products::list_skus(&mut tx, shop, None, 10).await?;
    tx.commit().await?;
    for sku in skus {
        let handling = Handling::Deliver {
            method: DeliveryMethod::VoucherSend,
            pool: Some(merchant.pool),
            redemption: RedemptionMethod::None,
            cards_per_unit: 1,
        };
        map_sku(engine, &act(), &MapSku { sku: sku.id, handling, settings: json!({}) }).await?;
    }
    // The platform tells times of payment in whole seconds.
    let deliver_from = engine.now() - TimeDelta::seconds(1);
    go_live(engine, &act(), &GoLive { shop, deliver_from, release: Vec::new() }).await?;
    Ok(())
}

/// Loads cards with numbers of their own; returns whom that wakes. While Postgres is struck the same import is repeated, as its caller would.
pub(crate) async fn stock(engine: &Engine, merchant: &Merchant, cards: usize) -> Result<Vec<Wake>> {
    if cards == 0 {
        return Ok(Vec::new());
    }
    let caller = Uuid::now_v7().simple().to_string();
    let file: String = (0..cards).map(|n| format!("{caller}{n:07}\n")).collect();
    for _ in 0..IMPORT_TRIES {
        let request = ImportCards {
            pool: merchant.pool,
            caller_id: caller.clone(),
            file_name: "cards.txt".to_owned(),
            file: Cursor::new(file.clone().into_bytes()),
            choices: FileChoices::default(),
            uses_permitted: 1,
            mode: ImportMode::AllOrNothing,
        };
        match import_cards(engine, &act(engine, merchant.id), request).await {
            Ok(imported) if imported.rejected == 0 => return Ok(imported.wakes),
            Ok(imported) => bail!("{} lines of the file were refused", imported.rejected),
            Err(ImportCardsError::Store(_) | ImportCardsError::NotStored(_)) => tokio::time::sleep(TRY_AGAIN).await,
            Err(error) => return Err(error.into()),
        }
    }
    bail!("cards could not be imported in {IMPORT_TRIES} tries")
}

fn act(engine: &Engine, merchant: MerchantId) -> Ctx {
    Ctx { actor: Actor::Operator, merchant, request_id: "chaos".to_owned(), now: engine.now() }
}
