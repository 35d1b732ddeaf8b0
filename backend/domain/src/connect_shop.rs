//! Connects a mall as a shop in trial run, or takes a new authorization of one that is connected.

use std::time::Duration;

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ApplicationId, MallId, MerchantId, Permission, ReasonCode, SecretText, ShopId, ShopState};
use kamiflow_store::applications::ApplicationRow;
use kamiflow_store::credentials::NewTokens;
use kamiflow_store::pauses::PausedWork;
use kamiflow_store::shops::{NewShop, ShopChange, ShopRow};
use kamiflow_store::{StoreError, TenantTx, applications, credentials, exceptions, merchants, pauses, shops};
use serde_json::json;
use tracing::warn;

use crate::acts;
use crate::ctx::{Ctx, Denied};
use crate::engine::{Engine, Wake};
use crate::marketplace::{ApplicationAccess, MarketError, ShopAccess, Tokens};
use crate::refresh_token;
use crate::sync_products;
use crate::tokens;
use crate::verification::renewal;

/// What the owner of the mall gave.
#[derive(Debug, Clone)]
pub enum Grant {
    /// The code of the authorization page; good once, for ten minutes.
    Code(SecretText),
    /// Tokens that exist already.
    Tokens(Box<Tokens>),
}

/// What the authorization is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A mall to connect; one that this merchant has connected is authorized anew.
    Connect,
    /// This shop and no other.
    Reauthorize(ShopId),
}

/// The request.
#[derive(Debug, Clone)]
pub struct ConnectShop {
    /// The merchant's own application, or a hosted one.
    pub application: ApplicationId,
    /// What the owner gave.
    pub grant: Grant,
    /// What it is for.
    pub purpose: Purpose,
    /// How far back orders of a new shop are read.
    pub look_back: Duration,
}

/// A connected shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectedShop {
    /// The shop.
    pub shop: ShopId,
    /// Its mall.
    pub mall: MallId,
    /// Whether it was connected before.
    pub reauthorized: bool,
    /// Whether the mall itself was read with the new tokens.
    pub mall_confirmed: bool,
    /// Whom to wake.
    pub wakes: Vec<Wake>,
}

/// Why a shop could not be connected.
#[derive(Debug, thiserror::Error)]
pub enum ConnectShopError {
    /// The application is neither the merchant's own nor hosted.
    #[error("the application was not found")]
    ApplicationUnknown,
    /// The application may call nothing now.
    #[error("the application is stopped")]
    ApplicationStopped,
    /// Another merchant has connected the mall.
    #[error("mall {0} is connected by another merchant")]
    ConnectedElsewhere(MallId),
    /// The authorization is for another mall than the shop's.
    #[error(
        "the authorization is for `{given_name}` (mall {given}), it must be for `{expected_name}` (mall {expected})"
    )]
    OtherMall {
        /// The shop's mall.
        expected: MallId,
        /// Its name; empty where only its number is known.
        expected_name: String,
        /// The mall that was authorized.
        given: MallId,
        /// Its name.
        given_name: String,
    },
    /// The platform did not give tokens, or does not know them.
    #[error("the platform refused the authorization")]
    Market(#[source] Box<MarketError>),
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the shop could not be stored")]
    Store(#[from] StoreError),
}

impl From<MarketError> for ConnectShopError {
    fn from(error: MarketError) -> Self {
        Self::Market(Box::new(error))
    }
}

/// Connects a mall, or takes the new authorization of one.
///
/// # Errors
/// See [`ConnectShopError`]; with a code that was exchanged before the error, a new authorization is needed.
pub async fn connect_shop(
    engine: &Engine,
    ctx: &Ctx,
    request: &ConnectShop,
) -> Result<ConnectedShop, ConnectShopError> {
    ctx.require(Permission::ManageShops)?;
    let (application, access) = open_application(engine, ctx.merchant, request.application).await?;
    let tokens = match &request.grant {
        Grant::Code(code) => engine.market.create_tokens(&access, code.expose()).await?,
        Grant::Tokens(tokens) => Tokens::clone(tokens),
    };
    let (name, mall_confirmed) = mall_name(engine, ctx, &request.grant, &access, &tokens).await?;

    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let known = match request.purpose {
        Purpose::Connect => shops::find_by_mall(&mut tx, application.gateway, tokens.mall).await?,
        Purpose::Reauthorize(shop) => Some(shops::lock(&mut tx, shop).await?),
    };
    let authorized = Authorized { application: &application, tokens: &tokens, name: &name, at: ctx.now };
    let (shop, reauthorized) = match &known {
        Some(row) => match authorized.store_anew(&mut tx, ctx, row).await {
            Err(refused @ ConnectShopError::OtherMall { .. }) => {
                drop(tx);
                authorized.keep_for_its_shop(engine, ctx).await?;
                return Err(refused);
            }
            stored => (stored?, true),
        },
        None => (authorized.insert(&mut tx, ctx, request.look_back).await?, false),
    };
    let job = refresh_token::plan(&mut tx, shop, ctx.now, tokens.expires_at).await?;
    let products = sync_products::plan(&mut tx, shop, ctx.now).await?;
    let action = if reauthorized { "shop.reauthorize" } else { "shop.connect" };
    acts::record(&mut tx, ctx, action, shop, json!({ "mall": tokens.mall, "application": request.application }))
        .await?;
    tx.commit().await?;

    ask_for_push(engine, ctx.merchant, shop, &access, &tokens).await;
    let wakes = vec![Wake::Sync(shop), Wake::Deliver(shop), Wake::Redeem(shop), Wake::Job(job), products];
    Ok(ConnectedShop { shop, mall: tokens.mall, reauthorized, mall_confirmed, wakes })
}

async fn open_application(
    engine: &Engine,
    merchant: MerchantId,
    id: ApplicationId,
) -> Result<(ApplicationRow, ApplicationAccess), ConnectShopError> {
    let mut tx = engine.store.tenant_tx(merchant).await?;
    let row = applications::fetch(&mut tx, id).await.map_err(|error| match error {
        StoreError::NotFound(_) => ConnectShopError::ApplicationUnknown,
        other => other.into(),
    })?;
    if row.is_stopped() {
        return Err(ConnectShopError::ApplicationStopped);
    }
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let secret =
        key.open(shops::CLIENT_SECRET, row.id.as_uuid(), &row.client_secret_sealed).map_err(StoreError::from)?;
    let secret = String::from_utf8(secret.expose().to_vec())
        .map_err(|_bytes| StoreError::Corrupt("an application's secret is not text".to_owned()))?;
    tx.commit().await?;
    let access = ApplicationAccess {
        gateway: row.gateway,
        client_id: row.client_id.clone(),
        client_secret: SecretText::new(secret),
        // A person is here and the platform may have changed its mind: it is asked.
        denied_apis: Vec::new(),
    };
    Ok((row, access))
}

/// Returns the mall's name and whether the mall told it, and checks that given tokens are the mall's. A code is spent by now, and its tokens name
/// their mall themselves, so there a failure costs no more than the name.
async fn mall_name(
    engine: &Engine,
    ctx: &Ctx,
    grant: &Grant,
    application: &ApplicationAccess,
    tokens: &Tokens,
) -> Result<(String, bool), ConnectShopError> {
    let access = shop_access(ctx.merchant, ShopId::generate(), application, tokens);
    match (engine.market.mall(&access).await, grant) {
        (Ok(mall), _) if mall.mall_id == tokens.mall => Ok((mall.name, true)),
        (Ok(mall), _) => Err(ConnectShopError::OtherMall {
            expected: tokens.mall,
            expected_name: tokens.owner_name.clone(),
            given: mall.mall_id,
            given_name: mall.name,
        }),
        (Err(error), Grant::Tokens(_)) => Err(error.into()),
        (Err(error), Grant::Code(_)) => {
            warn!(error = %error, "Could not read the name of mall {}", tokens.mall);
            Ok((tokens.owner_name.clone(), false))
        }
    }
}

/// An authorization that the platform confirmed.
struct Authorized<'a> {
    application: &'a ApplicationRow,
    tokens: &'a Tokens,
    name: &'a str,
    /// When the platform gave the tokens.
    at: DateTime<Utc>,
}

impl Authorized<'_> {
    fn tokens(&self) -> NewTokens<'_> {
        NewTokens {
            access_token: &self.tokens.access_token,
            refresh_token: &self.tokens.refresh_token,
            expires_at: self.tokens.expires_at,
            refresh_expires_at: self.tokens.refresh_expires_at,
            scopes: &self.tokens.scopes,
            issued_at: self.at,
            levels: self.tokens.levels,
        }
    }

    async fn insert(&self, tx: &mut TenantTx, ctx: &Ctx, look_back: Duration) -> Result<ShopId, ConnectShopError> {
        let floor_s = merchants::find(tx).await?.map_or(15, |merchant| merchant.poll_floor_s);
        let shop = ShopId::generate();
        let row = NewShop {
            id: shop,
            application_owner: self.application.owner,
            application: self.application.id,
            gateway: self.application.gateway,
            mall: self.tokens.mall,
            name: self.name,
            connected_at: ctx.now,
            watermark: before(ctx.now, look_back),
            interval_ms: floor_s.saturating_mul(1000),
        };
        shops::insert(tx, &row).await.map_err(|error| match error.constraint() {
            Some("shops_mall_once") => ConnectShopError::ConnectedElsewhere(self.tokens.mall),
            _ => error.into(),
        })?;
        credentials::insert(tx, shop, &self.tokens()).await?;
        Ok(shop)
    }

    /// Keeps an authorization that was meant for another shop. The platform has ended the tokens that its mall had through
    /// the application before (protocol 2.1), so without these the merchant's shop of that mall would stop.
    async fn keep_for_its_shop(&self, engine: &Engine, ctx: &Ctx) -> Result<(), ConnectShopError> {
        let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
        let known = shops::find_by_mall(&mut tx, self.application.gateway, self.tokens.mall).await?;
        let Some(known) = known.filter(|shop| shop.application == self.application.id) else { return Ok(()) };
        let row = shops::lock(&mut tx, known.id).await?;
        let shop = self.store_anew(&mut tx, ctx, &row).await?;
        refresh_token::plan(&mut tx, shop, self.at, self.tokens.expires_at).await?;
        let detail = json!({ "mall": self.tokens.mall, "application": self.application.id, "meant_for_another": true });
        acts::record(&mut tx, ctx, "shop.reauthorize", shop, detail).await?;
        Ok(tx.commit().await?)
    }

    /// Replaces the tokens of a connected shop; what stopped for want of them goes on.
    async fn store_anew(&self, tx: &mut TenantTx, ctx: &Ctx, row: &ShopRow) -> Result<ShopId, ConnectShopError> {
        let expected = MallId(row.mall_id);
        if row.gateway != self.application.gateway || expected != self.tokens.mall {
            return Err(ConnectShopError::OtherMall {
                expected,
                expected_name: row.name.clone(),
                given: self.tokens.mall,
                given_name: self.name.to_owned(),
            });
        }
        if row.state == ShopState::Disconnected {
            return Err(StoreError::NotFound("shop").into());
        }
        shops::update_authorized(tx, row.id, (self.application.owner, self.application.id), self.name).await?;
        credentials::update_authorized(tx, row.id, &self.tokens()).await?;
        let waited_for_it = row.stop_reason.as_deref() == Some(ReasonCode::ReauthorizationNeeded.as_str());
        if row.state == ShopState::Stopped && waited_for_it {
            // What may not run for want of a verification does not go on because its tokens are new.
            if renewal::is_overdue(tx, row.gateway, ctx.now).await? {
                tokens::stop(tx, ctx.now, row.id, ReasonCode::VerificationNeeded).await?;
            } else {
                shops::update_state(tx, row.id, &ShopChange::Resume).await?;
            }
        }
        exceptions::resolve(tx, row.id, &[""], &[ReasonCode::ReauthorizationNeeded], "reauthorized").await?;
        shops::update_due(tx, row.id, ctx.now).await?;
        // What was tried while nobody could call the platform was put off.
        for work in [PausedWork::Delivery, PausedWork::Redemption] {
            pauses::make_due(tx, work, &[row.id], ctx.now).await?;
        }
        Ok(row.id)
    }
}

/// Asks for push messages. They only make orders known sooner, so a failure is no reason to refuse the shop.
async fn ask_for_push(
    engine: &Engine,
    merchant: MerchantId,
    shop: ShopId,
    application: &ApplicationAccess,
    tokens: &Tokens,
) {
    let access = shop_access(merchant, shop, application, tokens);
    if let Err(error) = engine.market.permit_push(&access).await {
        warn!(shop.id = %shop, error = %error, "Shop `{shop}` gets no push messages");
    }
}

fn shop_access(merchant: MerchantId, shop: ShopId, application: &ApplicationAccess, tokens: &Tokens) -> ShopAccess {
    ShopAccess {
        merchant,
        shop,
        mall: tokens.mall,
        application: application.clone(),
        access_token: tokens.access_token.clone(),
        token_version: 0,
    }
}

fn before(now: DateTime<Utc>, look_back: Duration) -> DateTime<Utc> {
    chrono::Duration::from_std(look_back).ok().and_then(|span| now.checked_sub_signed(span)).unwrap_or(now)
}
