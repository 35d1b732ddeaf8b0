//! Makes a sandbox shop ready to sell in one go, and plays a buyer in it.
//!
//! A mall of its own on the sandbox, authorized like any other; a pool with sample cards; its goods mapped; live, because
//! nothing there reaches anybody. What the sandbox itself has to do goes through [`SandboxControl`], which only a server
//! that runs a sandbox has.

use futures_util::future::BoxFuture;
use kamiflow_kernel::{
    ApplicationId, DeliveryMethod, GatewayKind, GoodsId, MallId, OrderSn, Permission, PlatformSkuId, PoolId,
    RedemptionMethod, SecretText, ShopId, ShopState,
};
use kamiflow_store::card_pools::NewPool;
use kamiflow_store::products::Handling;
use kamiflow_store::{StoreError, applications, card_pools, products, shops};
use serde_json::json;

use crate::authorization::LOOK_BACK;
use crate::card_pattern::CardPattern;
use crate::connect_shop::{ConnectShop, ConnectShopError, ConnectedShop, Grant, Purpose, connect_shop};
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::generate_cards::{GenerateCards, GenerateCardsError, generate_cards};
use crate::go_live::{self, GoLive, GoLiveError};
use crate::map_sku::{MapSku, MapSkuError, map_sku};
use crate::push_hint::{NoticeKind, PushNotice, push_hint};
use crate::sync_products::{SyncProductsError, sync_products};

/// Sample cards in the pool.
pub const SAMPLE_CARDS: u32 = 200;
/// Sandbox shops of one merchant.
const MOST_SHOPS: usize = 5;
const SHOPS: i64 = 1_000;
const NUMBER: &str = "DEMO-{X:8}";
const SECRET: &str = "{X:12}";

/// One product with one SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxGoods {
    /// Its number.
    pub goods: GoodsId,
    /// Its SKU's number.
    pub sku: PlatformSkuId,
    /// Its name.
    pub name: &'static str,
    /// See protocol 4.1.
    pub goods_type: i32,
    /// 0 without logistics, 1 with.
    pub delivery_type: i32,
    /// Fen.
    pub price: i64,
}

/// A mall to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxMall {
    /// Its number.
    pub mall: MallId,
    /// Its name.
    pub name: String,
    /// What it sells.
    pub goods: Vec<SandboxGoods>,
}

/// The sandbox refused or could not be reached.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox did not do what it was asked: {0}")]
pub struct SandboxControlError(pub String);

/// What only the sandbox's operator can do.
pub trait SandboxControl: Send + Sync {
    /// Makes a mall with its goods.
    fn add_mall<'a>(&'a self, mall: &'a SandboxMall) -> BoxFuture<'a, Result<(), SandboxControlError>>;
    /// Clicks on the authorization page; returns the code.
    fn authorize<'a>(
        &'a self,
        client_id: &'a str,
        mall: MallId,
    ) -> BoxFuture<'a, Result<SecretText, SandboxControlError>>;
    /// Lets a buyer order and pay; returns the order's number.
    fn buy(
        &self,
        mall: MallId,
        sku: PlatformSkuId,
        quantity: u32,
    ) -> BoxFuture<'_, Result<OrderSn, SandboxControlError>>;
}

/// A sandbox shop, ready to sell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SandboxShop {
    /// The shop.
    pub shop: ShopId,
    /// Its pool.
    pub pool: PoolId,
    /// What a buyer buys.
    pub sku: PlatformSkuId,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why there is no sandbox shop, or no buyer.
#[derive(Debug, thiserror::Error)]
pub enum SandboxShopError {
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The application is none of the sandbox's.
    #[error("sandbox shops are connected through an application of the sandbox")]
    NotASandbox,
    /// The merchant has enough of them.
    #[error("there are {MOST_SHOPS} sandbox shops already; disconnect one first")]
    TooMany,
    /// The shop does not exist for this merchant.
    #[error("the shop was not found")]
    ShopUnknown,
    /// The shop sells nothing a buyer could get.
    #[error("the shop has no SKU on sale; read its products first")]
    NothingOnSale,
    /// The sandbox.
    #[error(transparent)]
    Control(#[from] SandboxControlError),
    /// Connecting.
    #[error("the sandbox shop could not be connected")]
    Connect(#[from] ConnectShopError),
    /// Products.
    #[error("the sandbox shop's products could not be read")]
    Products(#[from] SyncProductsError),
    /// Cards.
    #[error("no sample cards could be made")]
    Cards(#[from] GenerateCardsError),
    /// Mapping.
    #[error("the sandbox shop's goods could not be mapped")]
    Map(#[from] MapSkuError),
    /// Going live.
    #[error("the sandbox shop could not go live")]
    GoLive(#[from] GoLiveError),
    /// The store failed.
    #[error("the sandbox shop could not be stored")]
    Store(#[source] StoreError),
}

impl From<StoreError> for SandboxShopError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::ShopUnknown,
            other => Self::Store(other),
        }
    }
}

/// Makes a sandbox shop that delivers what buyers order in it.
///
/// # Errors
/// See [`SandboxShopError`]. What was made by then stays, in trial run, and can be disconnected.
pub async fn create_sandbox_shop(
    engine: &Engine,
    ctx: &Ctx,
    control: &dyn SandboxControl,
    application: ApplicationId,
) -> Result<SandboxShop, SandboxShopError> {
    ctx.require(Permission::ManageShops)?;
    let client_id = may_create(engine, ctx, application).await?;
    let mall = new_mall();
    control.add_mall(&mall).await?;
    let code = control.authorize(&client_id, mall.mall).await?;
    let connect =
        ConnectShop { application, grant: Grant::Code(code), purpose: Purpose::Connect, look_back: LOOK_BACK };
    let ConnectedShop { shop, mut wakes, .. } = connect_shop(engine, ctx, &connect).await?;
    sync_products(engine, ctx, shop).await?;
    let (pool, cards) = stock(engine, ctx, &mall.name).await?;
    wakes.extend(cards);
    wakes.extend(map_goods(engine, ctx, shop, pool).await?);
    wakes.extend(go_live::begin(engine, ctx, &GoLive::from_now(shop, ctx.now)).await?.wakes);
    let sku = mall.goods.first().map(|goods| goods.sku).ok_or(SandboxShopError::NothingOnSale)?;
    Ok(SandboxShop { shop, pool, sku, wakes })
}

/// Plays a buyer: the order comes as every other does, only that nobody waits for the push message. Without a SKU the
/// first one on sale that is delivered is bought.
///
/// # Errors
/// When the shop is no sandbox shop of this merchant, sells nothing, or the sandbox refuses.
pub async fn simulate_buyer(
    engine: &Engine,
    ctx: &Ctx,
    control: &dyn SandboxControl,
    (shop, sku, quantity): (ShopId, Option<PlatformSkuId>, u32),
) -> Result<(OrderSn, Option<Wake>), SandboxShopError> {
    ctx.require(Permission::HandleOrders)?;
    ctx.sees(shop)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = shops::fetch(&mut tx, shop).await?;
    if row.gateway != GatewayKind::Sandbox {
        return Err(SandboxShopError::NotASandbox);
    }
    let known = products::list_skus(&mut tx, shop, None, SHOPS).await?;
    tx.commit().await?;
    let delivered = |method: Option<&str>| method.is_some_and(|method| method != "skip");
    let bought = known.iter().find(|known| match sku {
        Some(sku) => known.platform_sku_id == sku.0,
        None => known.on_sale && delivered(known.delivery_method.as_deref()),
    });
    let bought = bought.map(|sku| PlatformSkuId(sku.platform_sku_id)).ok_or(SandboxShopError::NothingOnSale)?;
    let mall = MallId(row.mall_id);
    let order_sn = control.buy(mall, bought, quantity).await?;
    let notice = PushNotice { mall, order_sn: order_sn.clone(), kind: NoticeKind::Other };
    let wake = push_hint(engine, GatewayKind::Sandbox, &notice).await?;
    Ok((order_sn, wake))
}

async fn may_create(engine: &Engine, ctx: &Ctx, application: ApplicationId) -> Result<String, SandboxShopError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let application = applications::fetch(&mut tx, application).await.map_err(|error| match error {
        StoreError::NotFound(_) => SandboxShopError::NotASandbox,
        other => SandboxShopError::Store(other),
    })?;
    if application.gateway != GatewayKind::Sandbox {
        return Err(SandboxShopError::NotASandbox);
    }
    let all = shops::list(&tx, None, SHOPS).await?;
    tx.commit().await?;
    let sandboxes =
        all.iter().filter(|shop| shop.gateway == GatewayKind::Sandbox && shop.state != ShopState::Disconnected);
    if sandboxes.count() >= MOST_SHOPS { Err(SandboxShopError::TooMany) } else { Ok(application.client_id) }
}

/// A mall with a number of its own: all merchants' sandbox shops live on one sandbox.
fn new_mall() -> SandboxMall {
    let number: i64 = rand::random_range(200_000_000..900_000_000);
    let goods = [("会员月卡", 1, 0, 990), ("平台兑换码", 19, 0, 1990), ("实物赠品", 1, 1, 100)];
    let goods = (1_i64..)
        .zip(goods)
        .map(|(n, (name, goods_type, delivery_type, price))| SandboxGoods {
            goods: GoodsId(number * 100 + n),
            sku: PlatformSkuId(number * 1_000 + n),
            name,
            goods_type,
            delivery_type,
            price,
        })
        .collect();
    SandboxMall { mall: MallId(number), name: format!("演练店 {number}"), goods }
}

async fn stock(engine: &Engine, ctx: &Ctx, mall: &str) -> Result<(PoolId, Vec<Wake>), SandboxShopError> {
    let (pool, name) = (PoolId::generate(), format!("演练卡库（{mall}）"));
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    card_pools::insert(
        &mut tx,
        &NewPool { id: pool, name: &name, gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 },
    )
    .await?;
    tx.commit().await?;
    let pattern = |text: &str| text.parse::<CardPattern>().ok();
    let (Some(number), Some(secret)) = (pattern(NUMBER), pattern(SECRET)) else {
        return Err(SandboxShopError::Store(StoreError::Corrupt("the sample cards' pattern".to_owned())));
    };
    let request = GenerateCards {
        pool,
        caller_id: format!("sandbox-{pool}"),
        number,
        secret: Some(secret),
        count: SAMPLE_CARDS,
        expires_at: None,
        uses_permitted: 1,
    };
    Ok((pool, generate_cards(engine, ctx, &request).await?.wakes))
}

async fn map_goods(engine: &Engine, ctx: &Ctx, shop: ShopId, pool: PoolId) -> Result<Vec<Wake>, SandboxShopError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let skus = products::list_skus(&mut tx, shop, None, SHOPS).await?;
    tx.commit().await?;
    let mut wakes = Vec::new();
    for sku in skus {
        let method = match (sku.goods_type, sku.delivery_type) {
            (Some(19), _) => Some((DeliveryMethod::PlatformCodes, None)),
            (_, Some(0)) => Some((DeliveryMethod::VoucherSend, Some(pool))),
            _ => None,
        };
        let handling = method.map_or(Handling::Skip, |(method, pool)| Handling::Deliver {
            method,
            pool,
            redemption: RedemptionMethod::None,
            cards_per_unit: 1,
        });
        wakes.extend(map_sku(engine, ctx, &MapSku { sku: sku.id, handling, settings: json!({}) }).await?);
    }
    Ok(wakes)
}
