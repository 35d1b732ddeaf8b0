//! Links by which the holder of a mall's main account authorizes without a log-in here, on a phone if need be.
//!
//! Only the main account of a mall can authorize (protocol 2.1), and whoever works with us often is not its holder. A
//! link names the merchant, its row, its end and the mall it is bound to, under a hash with the platform's key: nobody
//! makes one up, and a changed one is refused without looking at a row. It belongs to the first browser that *uses* it
//! (opening the page is not using it: chat programs open every address they carry), and is used up by the first
//! authorization that succeeds. A link is worth no more than the seat of who made it: a member who may not manage shops
//! any more has made it for nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{
    ApplicationId, AuthorizationLinkId, GatewayKind, MallId, MerchantId, Permission, SecretText, ShopId, UserId,
};
use kamiflow_store::authorization_links::{LinkRow, NewLink};
use kamiflow_store::{StoreError, TenantTx, applications, authorization_links, merchants, shops};
use serde_json::json;
use uuid::Uuid;

use crate::acts;
use crate::authorization::{self, BeginAuthorizationError, BegunAuthorization, hash};
use crate::connect_shop::Purpose;
use crate::ctx::{Actor, Ctx};
use crate::engine::Engine;
use crate::teams;

/// How long a link can be used unless somebody says otherwise.
pub const VALID_FOR: TimeDelta = TimeDelta::hours(72);
const MAC: &str = "authorization-link/1";
/// Merchant, link, end in seconds, mall.
const CLAIMS: usize = 16 + 16 + 8 + 8;
const SIGNED: usize = CLAIMS + 32;

/// What a link says; believed only when its hash is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Claims {
    merchant: MerchantId,
    link: AuthorizationLinkId,
    /// UNIX seconds.
    ends: i64,
    /// 0 for a mall to connect.
    mall: i64,
}

impl Claims {
    fn bytes(self) -> Vec<u8> {
        let (merchant, link) = (self.merchant.as_uuid(), self.link.as_uuid());
        let parts: [&[u8]; 4] =
            [merchant.as_bytes(), link.as_bytes(), &self.ends.to_be_bytes(), &self.mall.to_be_bytes()];
        parts.concat()
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let id = |from: usize| Uuid::from_slice(bytes.get(from..from + 16)?).ok();
        let number = |from: usize| Some(i64::from_be_bytes(bytes.get(from..from + 8)?.try_into().ok()?));
        Some(Self {
            merchant: MerchantId::from_uuid(id(0)?),
            link: AuthorizationLinkId::from_uuid(id(16)?),
            ends: number(32)?,
            mall: number(40)?,
        })
    }
}

/// Why a link cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Made up, changed, or mistyped.
    #[error("this link is not one of ours; ask for a new one")]
    Invalid,
    /// Its time is over.
    #[error("this link has expired; ask for a new one")]
    Expired,
    /// Somebody has authorized with it.
    #[error("this link was used already; ask for a new one")]
    Used,
    /// It belongs to another browser.
    #[error("this link was opened in another browser; use it there, or ask for a new one")]
    OtherBrowser,
    /// The shop was disconnected, or the application is gone.
    #[error("what this link is for is not there any more")]
    Begin(#[source] BeginAuthorizationError),
    /// The store failed.
    #[error("the link could not be read or written")]
    Store(#[source] StoreError),
}

impl From<StoreError> for LinkError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound("link") => Self::Invalid,
            other => Self::Store(other),
        }
    }
}

/// A link to send.
#[derive(Debug, Clone)]
pub struct MadeLink {
    /// The last part of its address.
    pub token: SecretText,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
}

/// Makes a link: for a mall to connect, or for the mall of a shop that needs a new authorization.
///
/// # Errors
/// When the actor may not manage shops or has not proved who they are, application or shop are not the merchant's, or the
/// store fails.
pub async fn make_link(
    engine: &Engine,
    ctx: &Ctx,
    (application, purpose): (ApplicationId, Purpose),
    valid_for: TimeDelta,
) -> Result<MadeLink, BeginAuthorizationError> {
    ctx.require(Permission::ManageShops)?;
    // Who has the link authorizes for this merchant, for three days.
    ctx.require_sudo()?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let made = issue(engine, &mut tx, ctx, (application, purpose, valid_for)).await?;
    tx.commit().await?;
    Ok(made)
}

/// Makes a link in a transaction, for whoever may: a member, or the product that reminds of an ending token.
pub(crate) async fn issue(
    engine: &Engine,
    tx: &mut TenantTx,
    ctx: &Ctx,
    (application, purpose, valid_for): (ApplicationId, Purpose, TimeDelta),
) -> Result<MadeLink, StoreError> {
    let application = applications::fetch(tx, application).await?;
    let shop = match purpose {
        Purpose::Connect => None,
        Purpose::Reauthorize(shop) => Some(shops::fetch(tx, shop).await?),
    };
    let (id, expires_at) = (AuthorizationLinkId::generate(), ctx.now + valid_for);
    let made_by = ctx.actor.name();
    let new = NewLink {
        id,
        application: (application.owner, application.id),
        shop: shop.as_ref().map(|shop| shop.id),
        made_by: &made_by,
        made_at: ctx.now,
        expires_at,
    };
    authorization_links::insert(tx, &new).await?;
    acts::record(tx, ctx, "authorization_link.make", id, json!({ "shop": new.shop, "expires_at": expires_at })).await?;
    let mall = shop.map_or(0, |shop| shop.mall_id);
    let claims = Claims { merchant: ctx.merchant, link: id, ends: expires_at.timestamp(), mall }.bytes();
    let signed = [claims.as_slice(), &sign(engine, &claims).await?].concat();
    Ok(MadeLink { token: SecretText::new(URL_SAFE_NO_PAD.encode(signed)), expires_at })
}

/// What the page of a link shows before anybody uses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenedLink {
    /// For which merchant.
    pub merchant: MerchantId,
    /// Her name.
    pub merchant_name: String,
    /// The mall that must authorize and its name; none for any mall.
    pub mall: Option<(MallId, String)>,
    /// The platform on which it authorizes.
    pub gateway: GatewayKind,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

/// Reads a link, without using it.
///
/// # Errors
/// When it cannot be used.
pub async fn open_link(engine: &Engine, token: &SecretText) -> Result<OpenedLink, LinkError> {
    let claims = verify(engine, token).await?;
    let mut tx = engine.store.tenant_tx(claims.merchant).await?;
    let row = usable(&mut tx, claims, engine.now()).await?;
    let merchant_name = merchants::find(&mut tx).await?.map(|row| row.name).unwrap_or_default();
    let mall = match row.shop_id.map(ShopId::from_uuid) {
        Some(shop) => {
            let shop = shops::fetch(&mut tx, shop).await?;
            Some((MallId(shop.mall_id), shop.name))
        }
        None => None,
    };
    let gateway = applications::fetch(&mut tx, row.application).await?.gateway;
    tx.commit().await?;
    Ok(OpenedLink { merchant: claims.merchant, merchant_name, mall, gateway, expires_at: row.expires_at })
}

/// Returns what tells a browser from all others, for one that uses a link without a log-in.
#[must_use]
pub fn new_browser() -> SecretText {
    let mut random = [0_u8; 32];
    rand::fill(&mut random);
    SecretText::new(URL_SAFE_NO_PAD.encode(random))
}

/// Begins the authorization of a link, in the browser that then keeps it. Call it for a click, never for opening.
///
/// # Errors
/// When the link cannot be used here.
pub async fn begin_by_link(
    engine: &Engine,
    session: &SecretText,
    token: &SecretText,
) -> Result<BegunAuthorization, LinkError> {
    let claims = verify(engine, token).await?;
    let now = engine.now();
    let mut tx = engine.store.tenant_tx(claims.merchant).await?;
    let row = usable(&mut tx, claims, now).await?;
    let browser = hash(session);
    match &row.session_hash {
        Some(known) if known.as_slice() != browser => return Err(LinkError::OtherBrowser),
        Some(_) => {}
        None => authorization_links::update_session(&mut tx, row.id, &browser).await?,
    }
    let purpose = row.shop_id.map_or(Purpose::Connect, |shop| Purpose::Reauthorize(ShopId::from_uuid(shop)));
    let begun = authorization::begin(&mut tx, now, session, (row.application, purpose, Some(row.id)))
        .await
        .map_err(LinkError::Begin)?;
    tx.commit().await?;
    Ok(begun)
}

/// Returns the circumstances of whoever comes back by a link, for [`authorization::complete_authorization`].
#[must_use]
pub fn ctx_of_link(engine: &Engine, merchant: MerchantId, request_id: &str) -> Ctx {
    let (actor, now) = (Actor::Engine("authorization_link"), engine.now());
    Ctx { actor, merchant, request_id: request_id.to_owned(), now }
}

async fn usable(tx: &mut TenantTx, claims: Claims, now: DateTime<Utc>) -> Result<LinkRow, LinkError> {
    let row = authorization_links::lock(tx, claims.link).await?;
    if row.used_at.is_some() {
        return Err(LinkError::Used);
    }
    if row.expires_at <= now {
        return Err(LinkError::Expired);
    }
    if !is_backed(tx, &row).await? {
        return Err(LinkError::Invalid);
    }
    // A mall that was disconnected and connected as another shop is not what the link was made for.
    if let Some(shop) = row.shop_id
        && shops::fetch(tx, ShopId::from_uuid(shop)).await?.mall_id != claims.mall
    {
        return Err(LinkError::Invalid);
    }
    Ok(row)
}

/// Returns whether who made a link could make it now.
pub(crate) async fn is_backed(tx: &mut TenantTx, link: &LinkRow) -> Result<bool, StoreError> {
    match link.made_by.parse::<UserId>() {
        Ok(member) => teams::may_still(tx, member, Permission::ManageShops).await,
        // The operator's, or the product's own.
        Err(_no_member) => Ok(true),
    }
}

async fn verify(engine: &Engine, token: &SecretText) -> Result<Claims, LinkError> {
    let bytes = URL_SAFE_NO_PAD.decode(token.expose()).map_err(|_text| LinkError::Invalid)?;
    if bytes.len() != SIGNED {
        return Err(LinkError::Invalid);
    }
    let (claims, signature) = bytes.split_at_checked(CLAIMS).ok_or(LinkError::Invalid)?;
    let right = sign(engine, claims).await.map_err(LinkError::Store)?;
    // All bytes are compared, whichever differ.
    if signature.iter().zip(right).fold(0, |differs, (a, b)| differs | (a ^ b)) != 0 {
        return Err(LinkError::Invalid);
    }
    Claims::read(claims).ok_or(LinkError::Invalid)
}

/// The hash is made with a key that is the platform's own, so that a link names its merchant before any row is read.
async fn sign(engine: &Engine, claims: &[u8]) -> Result<[u8; 32], StoreError> {
    // The platform as a merchant like others: no row but its key is looked at.
    let mut tx = engine.store.tenant_tx(MerchantId::PLATFORM).await?;
    let key = tx.data_key().await?;
    tx.commit().await?;
    Ok(key.mac(MAC, claims)?)
}
