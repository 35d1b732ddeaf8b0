//! Merchants and what they own, arranged through the use cases themselves.

use std::io::Cursor;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_domain::connect_shop::{ConnectShop, ConnectedShop, Grant, Purpose, connect_shop};
use kamiflow_domain::ctx::{Actor, Ctx};
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode, ImportedCards, import_cards};
use kamiflow_domain::marketplace::{PlatformProduct, PlatformSku, ProductDetail, TokenLevels, Tokens};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    ApplicationId, CardId, Clock, GatewayKind, GoodsId, MallId, MerchantId, PlatformSkuId, PoolId, ShopId, SkuId,
};
use kamiflow_store::card_pools::{self, NewPool, StockCount};
use kamiflow_store::{TenantTx, cards, products};
use uuid::Uuid;

use crate::app::TestApp;
use crate::raw::RawSql;

/// Malls of one process differ; those of different tests are in different databases.
static NEXT_MALL: AtomicI64 = AtomicI64::new(100_001);

/// A merchant.
pub struct Merchant<'a> {
    app: &'a TestApp,
    /// Her id.
    pub id: MerchantId,
}

impl<'a> Merchant<'a> {
    pub(crate) const fn new(app: &'a TestApp, id: MerchantId) -> Self {
        Self { app, id }
    }

    /// Returns the circumstances of an act of hers, now.
    #[must_use]
    pub fn ctx(&self) -> Ctx {
        Ctx { actor: Actor::Operator, merchant: self.id, request_id: "test".to_owned(), now: self.app.clock.now() }
    }

    /// Begins a transaction of hers.
    pub async fn tx(&self) -> TenantTx {
        self.app.store().tenant_tx(self.id).await.unwrap()
    }

    /// Connects as the application role, bound to her.
    pub async fn sql(&self) -> RawSql {
        self.app.sql_as(Some(self.id)).await
    }

    /// Registers an application of her own.
    pub async fn application(&self) -> ApplicationId {
        let request = RegisterApplication {
            owner: ApplicationOwner::Own,
            gateway: GatewayKind::Sandbox,
            client_id: format!("client-{}", Uuid::now_v7().simple()),
            client_secret: "app-secret".into(),
            app_type: String::new(),
            packages: Vec::new(),
        };
        register_application(&self.app.engine, &self.ctx(), &request).await.unwrap()
    }

    /// Returns tokens of a mall that end after so long.
    #[must_use]
    pub fn tokens(&self, mall: MallId, name: &str, life: TimeDelta) -> Tokens {
        let expires_at = self.app.clock.now() + life;
        Tokens {
            access_token: format!("access-{name}").into(),
            refresh_token: format!("refresh-{name}").into(),
            expires_at,
            refresh_expires_at: expires_at,
            mall,
            owner_name: format!("owner of {mall}"),
            scopes: vec!["pdd.order.list.get".to_owned()],
            levels: TokenLevels::default(),
        }
    }

    /// Connects a mall by tokens that live for a day; the shop is in trial run.
    pub async fn shop(&self) -> Shop<'a> {
        let mall = MallId(NEXT_MALL.fetch_add(1, Ordering::Relaxed));
        let connected = self.connect(mall, TimeDelta::hours(24)).await;
        Shop { app: self.app, merchant: self.id, id: connected.shop, mall }
    }

    /// Connects this mall by tokens of this life.
    pub async fn connect(&self, mall: MallId, life: TimeDelta) -> ConnectedShop {
        let request = ConnectShop {
            application: self.application().await,
            grant: Grant::Tokens(Box::new(self.tokens(mall, "1", life))),
            purpose: Purpose::Connect,
            look_back: Duration::from_secs(3600),
        };
        connect_shop(&self.app.engine, &self.ctx(), &request).await.unwrap()
    }

    /// Makes an empty card pool for sandbox shops, as all shops are here.
    pub async fn pool(&self, name: &str) -> Pool<'a> {
        self.pool_at(name, GatewayKind::Sandbox).await
    }

    /// Makes an empty card pool for shops of a platform.
    pub async fn pool_at(&self, name: &str, gateway: GatewayKind) -> Pool<'a> {
        let id = PoolId::generate();
        let mut tx = self.tx().await;
        card_pools::insert(&mut tx, &NewPool { id, name, gateway, min_validity_s: 0, low_stock_at: 0 }).await.unwrap();
        tx.commit().await.unwrap();
        Pool { app: self.app, merchant: self.id, id }
    }
}

/// A connected shop.
pub struct Shop<'a> {
    app: &'a TestApp,
    merchant: MerchantId,
    /// Its id.
    pub id: ShopId,
    /// Its mall.
    pub mall: MallId,
}

impl Shop<'_> {
    /// Lets it deliver orders paid from now on.
    pub async fn goes_live(&self) -> &Self {
        let merchant = Merchant::new(self.app, self.merchant);
        let request = GoLive { shop: self.id, deliver_from: self.app.clock.now(), release: Vec::new() };
        go_live(&self.app.engine, &merchant.ctx(), &request).await.unwrap();
        self
    }

    /// Syncs one product with one SKU of this kind; their numbers are `goods_id` and `goods_id * 10`.
    pub async fn sku(&self, goods_id: i64, goods_type: Option<i32>, delivery_type: Option<i32>) -> SkuId {
        let product = PlatformProduct {
            goods_id: GoodsId(goods_id),
            name: format!("goods {goods_id}"),
            image_url: String::new(),
            on_sale: true,
            skus: vec![PlatformSku {
                sku_id: PlatformSkuId(goods_id * 10),
                outer_id: String::new(),
                spec: "one".to_owned(),
                quantity: 100,
                on_sale: true,
            }],
        };
        let merchant = Merchant::new(self.app, self.merchant);
        self.app.market.set_products(vec![product], ProductDetail { goods_type, delivery_type, cat_id: None });
        sync_products(&self.app.engine, &merchant.ctx(), self.id).await.unwrap();
        let mut tx = merchant.tx().await;
        products::find_sku(&mut tx, self.id, PlatformSkuId(goods_id * 10)).await.unwrap().unwrap()
    }
}

/// A card pool.
pub struct Pool<'a> {
    app: &'a TestApp,
    merchant: MerchantId,
    /// Its id.
    pub id: PoolId,
}

impl Pool<'_> {
    /// Imports so many cards with numbers of their own.
    pub async fn with_cards(self, count: usize) -> Self {
        let stem = Uuid::now_v7().simple().to_string();
        let file: String = (0..count).map(|n| format!("{stem}{n:06},secret-{n}\n")).collect();
        let imported = self.import(&file).await;
        assert_eq!(imported.accepted, u64::try_from(count).unwrap());
        self
    }

    /// Imports a file of text, skipping what is bad.
    pub async fn import(&self, file: &str) -> ImportedCards {
        let request = ImportCards {
            pool: self.id,
            caller_id: Uuid::now_v7().to_string(),
            file_name: "cards.txt".to_owned(),
            file: Cursor::new(file.as_bytes().to_vec()),
            choices: FileChoices::default(),
            uses_permitted: 1,
            mode: ImportMode::SkipBad,
        };
        let merchant = Merchant::new(self.app, self.merchant);
        import_cards(&self.app.engine, &merchant.ctx(), request).await.unwrap()
    }

    /// Counts its stock.
    pub async fn stock(&self) -> StockCount {
        let mut tx = Merchant::new(self.app, self.merchant).tx().await;
        card_pools::count_stock(&mut tx, self.id, self.now()).await.unwrap()
    }

    /// Returns its cards, the oldest first.
    pub async fn cards(&self) -> Vec<CardId> {
        let sql = self.app.sql_as(Some(self.merchant)).await;
        let rows =
            sql.query("SELECT id FROM cards WHERE pool_id = $1 ORDER BY id", &[&self.id.as_uuid()]).await.unwrap();
        rows.iter().map(|row| CardId::from_uuid(row.get(0))).collect()
    }

    /// Returns its cards' numbers and secrets, opened, the oldest first.
    pub async fn contents(&self) -> Vec<(String, Option<String>)> {
        let mut tx = Merchant::new(self.app, self.merchant).tx().await;
        let mut rows = cards::list_sealed(&mut tx, &self.cards().await).await.unwrap();
        rows.sort_by_key(|row| row.id);
        let mut opened = Vec::new();
        for row in rows {
            let key = tx.data_key_by_id(row.data_key_id).await.unwrap();
            let open = |place, sealed: &[u8]| {
                String::from_utf8(key.open(place, row.id.as_uuid(), sealed).unwrap().expose().to_vec()).unwrap()
            };
            let number = open(cards::NUMBER, &row.number_sealed);
            opened.push((number, row.secret_sealed.as_deref().map(|sealed| open(cards::SECRET, sealed))));
        }
        opened
    }

    fn now(&self) -> DateTime<Utc> {
        self.app.clock.now()
    }
}
