//! Merchants with applications, pools, cards and live shops, arranged through the use cases themselves.

use std::io::Cursor;
use std::time::Duration;

use anyhow::Result;
use chrono::TimeDelta;
use kamiflow_domain::connect_shop::{ConnectShop, Grant, Purpose, connect_shop};
use kamiflow_domain::engine::Engine;
use kamiflow_domain::go_live::{GoLive, go_live};
use kamiflow_domain::import_cards::{FileChoices, ImportCards, ImportMode};
use kamiflow_domain::map_sku::{MapSku, map_sku};
use kamiflow_domain::marketplace::{TokenLevels, Tokens};
use kamiflow_domain::register_application::{ApplicationOwner, RegisterApplication, register_application};
use kamiflow_domain::sync_products::sync_products;
use kamiflow_kernel::{
    ApplicationId, DeliveryMethod, GatewayKind, MallId, MerchantId, PoolId, RedemptionMethod, ShopId,
};
use kamiflow_store::Store;
use kamiflow_store::card_pools::{self, NewPool};
use kamiflow_store::merchants::{self, NewMerchant};
use kamiflow_store::products::{self, Handling};
use serde_json::json;

use super::{Fleet, Mall};

/// A merchant with an application of their own.
#[derive(Debug, Clone, Copy)]
pub struct Owner {
    /// The merchant.
    pub id: MerchantId,
    /// Their application.
    pub application: ApplicationId,
}

impl Fleet {
    /// Signs the owner with this number up, with an application.
    ///
    /// # Errors
    /// What a use case says.
    pub async fn sign_up(&self, engine: &Engine, number: usize, poll_floor_s: i32) -> Result<Owner> {
        let id = insert_merchant(&engine.store, &format!("商家{number}"), poll_floor_s).await?;
        self.equip(engine, id, number).await
    }

    /// Gives a merchant the application of the owner with this number.
    ///
    /// # Errors
    /// What a use case says.
    pub async fn equip(&self, engine: &Engine, id: MerchantId, number: usize) -> Result<Owner> {
        let request = RegisterApplication {
            owner: ApplicationOwner::Own,
            gateway: GatewayKind::Sandbox,
            client_id: self.client_id(number),
            client_secret: self.client_secret().as_str().into(),
            app_type: String::new(),
            packages: Vec::new(),
        };
        let application = register_application(engine, &self.act(engine, id), &request).await?;
        Ok(Owner { id, application })
    }

    /// Connects a mall; the shop is in trial run.
    ///
    /// # Errors
    /// What a use case says.
    pub async fn connect(&self, engine: &Engine, owner: Owner, mall: Mall) -> Result<ShopId> {
        let expires_at = engine.now() + TimeDelta::days(300);
        let tokens = Tokens {
            access_token: self.access_token(mall.id).as_str().into(),
            refresh_token: self.refresh_token(mall.id).as_str().into(),
            expires_at,
            refresh_expires_at: expires_at,
            mall: MallId(mall.id.try_into()?),
            owner_name: self.name.to_owned(),
            scopes: Vec::new(),
            levels: TokenLevels::default(),
        };
        let request = ConnectShop {
            application: owner.application,
            grant: Grant::Tokens(Box::new(tokens)),
            purpose: Purpose::Connect,
            look_back: Duration::from_secs(10),
        };
        Ok(connect_shop(engine, &self.act(engine, owner.id), &request).await?.shop)
    }

    /// Maps every SKU of a shop to vouchers from a pool and lets it deliver orders paid from now on.
    ///
    /// # Errors
    /// What a use case says.
    pub async fn make_live(&self, engine: &Engine, owner: Owner, shop: ShopId, pool: PoolId) -> Result<()> {
        let act = || self.act(engine, owner.id);
        while sync_products(engine, &act(), shop).await?.more_details {}
        let mut tx = engine.store.tenant_tx(owner.id).await?;
        let skus = products::list_skus(&mut tx, shop, None, 10).await?;
        tx.commit().await?;
        for sku in skus {
            let handling = Handling::Deliver {
                method: DeliveryMethod::VoucherSend,
                pool: Some(pool),
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
}

/// Signs a merchant up.
///
/// # Errors
/// What the store says.
pub async fn insert_merchant(store: &Store, name: &str, poll_floor_s: i32) -> Result<MerchantId> {
    let id = MerchantId::generate();
    let mut tx = store.tenant_tx(id).await?;
    merchants::insert(&mut tx, &NewMerchant { name, poll_floor_s }).await?;
    tx.commit().await?;
    Ok(id)
}

/// Makes an empty pool.
///
/// # Errors
/// What the store says.
pub async fn empty_pool(store: &Store, merchant: MerchantId, name: &str) -> Result<PoolId> {
    let id = PoolId::generate();
    let mut tx = store.tenant_tx(merchant).await?;
    card_pools::insert(
        &mut tx,
        &NewPool { id, name, gateway: GatewayKind::Sandbox, min_validity_s: 0, low_stock_at: 0 },
    )
    .await?;
    tx.commit().await?;
    Ok(id)
}

/// Returns the request to import all cards of a file or none, each for one use; the same caller's id is the same import.
#[must_use]
pub fn cards(pool: PoolId, caller_id: String, file: String) -> ImportCards<Cursor<Vec<u8>>> {
    ImportCards {
        pool,
        caller_id,
        file_name: "cards.txt".to_owned(),
        file: Cursor::new(file.into_bytes()),
        choices: FileChoices::default(),
        uses_permitted: 1,
        mode: ImportMode::AllOrNothing,
    }
}
