//! Sends a mall's owner to the platform's authorization page and takes what comes back from there.
//!
//! ```text
//! begin ──► state ──► the platform's page ──► redirect with code and state ──► complete ──► a connected shop
//!   │                                                                             ▲
//!   └ a row: hash of the state, hash of the session, application, shop, end ──────┘ must fit, once
//! ```
//! Whoever can make somebody else's browser open our redirect address could otherwise connect a mall of her own to the
//! other's account, or bring a stolen code here. So the state is random, belongs to the browser's session that began
//! with it, comes back once, and not late. A state carries the merchant it was made for, because a link
//! ([`crate::authorization_link`]) is used by people who are not logged in; it proves nothing by that: the row does.
//!
//! The state is spent before the code is exchanged: two redirects with one state are one try. A code that was not
//! exchanged then is lost, and the owner clicks once more.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{
    ApplicationId, AuthorizationLinkId, GatewayKind, MallId, MerchantId, Permission, SecretText, ShopId, UserId,
};
use kamiflow_store::authorization_requests::{NewRequest, RequestRow};
use kamiflow_store::{
    StoreError, TenantTx, applications, authorization_links, authorization_requests, own_applications, shops,
    take_overs, token_lives,
};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::authorization_link::is_backed;
use crate::connect_shop::{ConnectShop, ConnectShopError, ConnectedShop, Grant, Purpose, connect_shop};
use crate::connection_place;
use crate::connection_routes::{ApiGrant, grants};
use crate::ctx::{Actor, Ctx, Denied};
use crate::engine::Engine;

/// The platform's code lives ten minutes (protocol 2.1); the owner may have to log in there first.
pub const COMES_BACK_WITHIN: TimeDelta = TimeDelta::minutes(30);
/// How far back orders of a new shop are read: enough to show a trial run something.
pub const LOOK_BACK: std::time::Duration = std::time::Duration::from_secs(24 * 3600);
const RANDOM: usize = 24;
const MERCHANT: usize = 16;

/// Which of the platform's pages is opened (protocol 2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum View {
    /// For a computer.
    Web,
    /// For a phone.
    Phone,
}

/// An authorization that was begun.
#[derive(Debug, Clone)]
pub struct BegunAuthorization {
    /// Which platform's page.
    pub gateway: GatewayKind,
    /// The application's public id.
    pub client_id: String,
    /// Comes back with the code.
    pub state: SecretText,
    /// Until when.
    pub expires_at: DateTime<Utc>,
}

impl BegunAuthorization {
    /// Returns the query of the page's address, not encoded yet; the address itself is configuration.
    #[must_use]
    pub fn query(&self, redirect_uri: &str, view: View) -> Vec<(&'static str, String)> {
        let mut query = vec![
            ("response_type", "code".to_owned()),
            ("client_id", self.client_id.clone()),
            ("redirect_uri", redirect_uri.to_owned()),
            ("state", self.state.expose().to_owned()),
        ];
        if view == View::Phone {
            query.push(("view", "h5".to_owned()));
        }
        query
    }
}

/// Why an authorization cannot begin.
#[derive(Debug, thiserror::Error)]
pub enum BeginAuthorizationError {
    /// The application is neither the merchant's own nor hosted.
    #[error("the application was not found")]
    ApplicationUnknown,
    /// The shop does not exist for this merchant, or is disconnected.
    #[error("the shop was not found")]
    ShopUnknown,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the authorization could not begin")]
    Store(#[source] StoreError),
}

impl From<StoreError> for BeginAuthorizationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound("shop") => Self::ShopUnknown,
            StoreError::NotFound("application") => Self::ApplicationUnknown,
            other => Self::Store(other),
        }
    }
}

/// Begins an authorization in a browser; `session` is whatever tells this browser's session from all others.
///
/// # Errors
/// When the actor may not manage shops, application or shop are not the merchant's, or the store fails.
pub async fn begin_authorization(
    engine: &Engine,
    ctx: &Ctx,
    session: &SecretText,
    (application, purpose): (ApplicationId, Purpose),
) -> Result<BegunAuthorization, BeginAuthorizationError> {
    ctx.require(Permission::ManageShops)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let begun = begin(&mut tx, ctx.now, session, (application, purpose, None)).await?;
    tx.commit().await?;
    Ok(begun)
}

/// Begins, in somebody's transaction.
pub(crate) async fn begin(
    tx: &mut TenantTx,
    now: DateTime<Utc>,
    session: &SecretText,
    (application, purpose, link): (ApplicationId, Purpose, Option<AuthorizationLinkId>),
) -> Result<BegunAuthorization, BeginAuthorizationError> {
    let application = applications::fetch(tx, application).await?;
    let shop = match purpose {
        Purpose::Connect => None,
        Purpose::Reauthorize(shop) => Some(shops::fetch(tx, shop).await?.id),
    };
    let state = new_state(tx.merchant());
    let expires_at = now + COMES_BACK_WITHIN;
    let request = NewRequest {
        state_hash: &hash(&state),
        session_hash: &hash(session),
        application: (application.owner, application.id),
        shop,
        link,
        began_at: now,
        expires_at,
    };
    authorization_requests::insert(tx, &request).await?;
    let (gateway, client_id) = (application.gateway, application.client_id);
    Ok(BegunAuthorization { gateway, client_id, state, expires_at })
}

/// Returns for which merchant a state says it was made, for people who come back without a log-in. Whether it is true
/// is found out by [`complete_authorization`].
#[must_use]
pub fn merchant_of_state(state: &str) -> Option<MerchantId> {
    let bytes = URL_SAFE_NO_PAD.decode(state).ok().filter(|bytes| bytes.len() == MERCHANT + RANDOM)?;
    Uuid::from_slice(bytes.get(..MERCHANT)?).ok().map(MerchantId::from_uuid)
}

fn new_state(merchant: MerchantId) -> SecretText {
    let mut random = [0_u8; RANDOM];
    rand::fill(&mut random);
    let bytes = [merchant.as_uuid().as_bytes().as_slice(), &random].concat();
    SecretText::new(URL_SAFE_NO_PAD.encode(bytes))
}

/// States and sessions have the entropy of keys: a plain hash hides them.
pub(crate) fn hash(secret: &SecretText) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}

/// What came back from the platform.
#[derive(Debug, Clone)]
pub struct CompleteAuthorization {
    /// The state of the redirect.
    pub state: SecretText,
    /// The code of the redirect.
    pub code: SecretText,
}

/// What an authorization came to.
#[derive(Debug, Clone)]
pub struct CompletedAuthorization {
    /// The shop, and whom to wake.
    pub connected: ConnectedShop,
    /// Every API that is needed, granted or not.
    pub apis: Vec<ApiGrant>,
    /// Whether it came through a link, by somebody who need not be logged in.
    pub by_link: bool,
}

/// Why what came back is not taken.
#[derive(Debug, thiserror::Error)]
pub enum CompleteAuthorizationError {
    /// Nobody began it here: made up, or another merchant's.
    #[error("this authorization was not begun here; begin it again")]
    StateUnknown,
    /// Begun in another browser, or before a new log-in.
    #[error("this authorization was begun in another browser; begin it again in this one")]
    OtherSession,
    /// It came back before.
    #[error("this authorization was used already; begin it again")]
    AlreadyUsed,
    /// It came back late.
    #[error("this authorization took too long; begin it again")]
    Expired,
    /// The mall is connected by another merchant, who is asked to let it go.
    #[error("mall {0} is connected by another merchant here, who has been asked to release it")]
    TakeOverAsked(MallId),
    /// The platform or the store refused.
    #[error("the mall could not be connected")]
    Connect(#[source] ConnectShopError),
    /// The store failed.
    #[error("the authorization could not be read or written")]
    Store(#[source] StoreError),
}

impl From<StoreError> for CompleteAuthorizationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound("authorization") => Self::StateUnknown,
            other => Self::Store(other),
        }
    }
}

/// Takes what came back from the platform's page into the same browser.
///
/// # Errors
/// See [`CompleteAuthorizationError`]; whatever it is, another one has to be begun.
pub async fn complete_authorization(
    engine: &Engine,
    ctx: &Ctx,
    session: &SecretText,
    request: &CompleteAuthorization,
) -> Result<CompletedAuthorization, CompleteAuthorizationError> {
    let row = spend(engine, ctx, session, &request.state).await?;
    let purpose = row.shop_id.map_or(Purpose::Connect, |shop| Purpose::Reauthorize(ShopId::from_uuid(shop)));
    let connect = ConnectShop {
        application: row.application,
        grant: Grant::Code(request.code.clone()),
        purpose,
        look_back: LOOK_BACK,
    };
    let connected = match connect_shop(engine, ctx, &connect).await {
        Ok(connected) => connected,
        Err(ConnectShopError::ConnectedElsewhere(mall)) => {
            ask_take_over(engine, ctx, &row, mall).await?;
            return Err(CompleteAuthorizationError::TakeOverAsked(mall));
        }
        Err(error) => return Err(CompleteAuthorizationError::Connect(error)),
    };
    let apis = settle(engine, ctx, &row, &connected).await?;
    Ok(CompletedAuthorization { connected, apis, by_link: row.link_id.is_some() })
}

/// Looks whether a state may come back, and marks it as having done so.
async fn spend(
    engine: &Engine,
    ctx: &Ctx,
    session: &SecretText,
    state: &SecretText,
) -> Result<RequestRow, CompleteAuthorizationError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let row = authorization_requests::lock_by_state(&mut tx, &hash(state)).await?;
    // Who comes by a link acts for the product and without a role: only what a link began may come back so.
    let is_by_link = matches!(ctx.actor, Actor::Engine(_));
    if row.session_hash != hash(session) || (is_by_link && row.link_id.is_none()) {
        return Err(CompleteAuthorizationError::OtherSession);
    }
    if row.used_at.is_some() {
        return Err(CompleteAuthorizationError::AlreadyUsed);
    }
    if row.expires_at <= ctx.now {
        return Err(CompleteAuthorizationError::Expired);
    }
    if let Some(link) = row.link_id.map(AuthorizationLinkId::from_uuid) {
        let link = authorization_links::lock(&mut tx, link).await?;
        if link.used_at.is_some() {
            return Err(CompleteAuthorizationError::AlreadyUsed);
        }
        // Who made it has lost the seat while its holder was at the platform: nobody began this any more.
        if !is_backed(&mut tx, &link).await? {
            return Err(CompleteAuthorizationError::StateUnknown);
        }
    }
    authorization_requests::update_used(&mut tx, row.id, ctx.now).await?;
    tx.commit().await?;
    Ok(row)
}

/// Uses the link up, ends the wizard of who began, marks own keys as active, and says which APIs the token may call.
async fn settle(
    engine: &Engine,
    ctx: &Ctx,
    row: &RequestRow,
    connected: &ConnectedShop,
) -> Result<Vec<ApiGrant>, StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let mut began = ctx.member().map(|member| member.user);
    if let Some(link) = row.link_id.map(AuthorizationLinkId::from_uuid) {
        began = authorization_links::lock(&mut tx, link).await?.made_by.parse::<UserId>().ok();
        authorization_links::update_used(&mut tx, link, ctx.now).await?;
    }
    if row.shop_id.is_none() {
        connection_place::forget(&mut tx, began).await?;
    }
    if connected.mall_confirmed {
        own_applications::update_activated(&mut tx, row.application, ctx.now).await?;
    }
    let denied = applications::fetch(&mut tx, row.application).await?.denied_apis;
    let tokens = token_lives::list(&mut tx, Some(connected.shop), 1).await?;
    tx.commit().await?;
    let scopes = tokens.first().map(|row| row.scopes.as_slice()).unwrap_or_default();
    Ok(grants(scopes, &denied))
}

async fn ask_take_over(engine: &Engine, ctx: &Ctx, row: &RequestRow, mall: MallId) -> Result<(), StoreError> {
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    let gateway = applications::fetch(&mut tx, row.application).await?.gateway;
    take_overs::ask(&mut tx, row.id, gateway, mall, ctx.now).await?;
    tx.commit().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_names_its_merchant_and_nothing_else_does() {
        let merchant = MerchantId::generate();
        let (one, other) = (new_state(merchant), new_state(merchant));
        assert!(one != other);
        assert_eq!(merchant_of_state(one.expose()), Some(merchant));
        for odd in ["", "x", "AAAA", "!!", &"A".repeat(4096)] {
            assert_eq!(merchant_of_state(odd), None, "{odd}");
        }
    }
}
