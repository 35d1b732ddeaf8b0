//! Makes a token of the API: it is told once, and the database keeps a hash.

use chrono::{DateTime, TimeDelta, Utc};
use kamiflow_kernel::{ApiScope, ApiTokenId, GatewayKind, Permission, SecretText, ShopScope};
use kamiflow_store::api_tokens::{self, NewApiToken};
use kamiflow_store::{StoreError, TenantTx, shops};
use serde_json::json;

use super::{LIVE, TEST};
use crate::accounts::secrets::{fresh, hash_of};
use crate::acts;
use crate::ctx::{Ctx, Denied, Member};
use crate::engine::Engine;

/// Lives of tokens that may be chosen, in days.
pub const LIVES: [i64; 3] = [30, 90, 365];
/// Good tokens of one merchant; nobody needs as many.
pub const MOST_TOKENS: usize = 100;
/// The longest name, in characters.
pub const LONGEST_NAME: usize = 60;
/// Shops of one merchant; nobody has as many.
const MOST_SHOPS: i64 = 1_000;
/// Characters at its end by which people know a token again.
const HINT: usize = 4;

/// The request.
#[derive(Debug, Clone)]
pub struct CreateToken {
    /// What it is called.
    pub name: String,
    /// Whether it sees sandbox shops only, instead of all others only.
    pub is_test: bool,
    /// What it may be used for.
    pub scopes: Vec<ApiScope>,
    /// Which shops it sees.
    pub shops: ShopScope,
    /// How long it lives: one of [`LIVES`].
    pub days: i64,
}

/// A token that was made.
#[derive(Debug, Clone)]
pub struct CreatedToken {
    /// Its id.
    pub id: ApiTokenId,
    /// The token itself; nobody can show it again.
    pub token: SecretText,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// Why no token was made.
#[derive(Debug, thiserror::Error)]
pub enum CreateTokenError {
    /// A name has 1 to 60 characters.
    #[error("name the token with 1 to {LONGEST_NAME} characters")]
    Name,
    /// At least one, and nothing that its maker may not do.
    #[error("choose what the token may be used for, within what you may do yourself")]
    Scopes,
    /// Shops of this merchant that the maker sees and that are of the token's mode.
    #[error("name shops of this merchant, sandbox shops for a test token and real ones for a live token")]
    Shops,
    /// None of those that may be chosen.
    #[error("choose how long the token lives")]
    Life,
    /// Revoke one first.
    #[error("there are {MOST_TOKENS} tokens already")]
    TooMany,
    /// A token acts with the seat of a person.
    #[error("only a member of the team makes a token")]
    NoMember,
    /// The actor may not do it.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store failed.
    #[error("the token could not be stored")]
    Store(#[from] StoreError),
}

/// Makes a token that acts with the actor's own seat.
///
/// # Errors
/// See [`CreateTokenError`].
pub async fn create_token(engine: &Engine, ctx: &Ctx, request: &CreateToken) -> Result<CreatedToken, CreateTokenError> {
    ctx.require(Permission::ManageIntegrations)?;
    ctx.require_sudo()?;
    let member = ctx.member().ok_or(CreateTokenError::NoMember)?;
    let (name, scopes, expires_at) = check(ctx, member, request)?;
    let mut tx = engine.store.tenant_tx(ctx.merchant).await?;
    check_shops(&mut tx, member, request).await?;
    if api_tokens::list(&mut tx).await?.iter().filter(|row| row.is_good(ctx.now)).count() >= MOST_TOKENS {
        return Err(CreateTokenError::TooMany);
    }
    let prefix = if request.is_test { TEST } else { LIVE };
    let token = SecretText::new(format!("{prefix}{}", fresh().secret.expose()));
    let id = ApiTokenId::generate();
    let new = NewApiToken {
        id,
        name,
        token_hash: &hash_of(&token),
        hint: hint(&token),
        is_test: request.is_test,
        scopes: &scopes,
        shops: &request.shops,
        made_by: member.user,
        at: ctx.now,
        expires_at,
    };
    api_tokens::insert(&mut tx, &new).await?;
    let shops = match &request.shops {
        ShopScope::All => json!("all"),
        ShopScope::Only(shops) => json!(shops),
    };
    let detail =
        json!({ "name": name, "test": request.is_test, "scopes": scopes, "shops": shops, "until": expires_at });
    acts::record(&mut tx, ctx, "api_token.create", id, detail).await?;
    tx.commit().await?;
    Ok(CreatedToken { id, token, expires_at })
}

fn hint(token: &SecretText) -> &str {
    // A token is ASCII.
    token.expose().get(token.expose().len().saturating_sub(HINT)..).unwrap_or_default()
}

type Checked<'a> = (&'a str, Vec<ApiScope>, DateTime<Utc>);

fn check<'a>(ctx: &Ctx, member: &Member, request: &'a CreateToken) -> Result<Checked<'a>, CreateTokenError> {
    let name = request.name.trim();
    if name.is_empty() || name.chars().count() > LONGEST_NAME || name.chars().any(char::is_control) {
        return Err(CreateTokenError::Name);
    }
    let mut scopes = request.scopes.clone();
    scopes.sort_unstable();
    scopes.dedup();
    let may = |scope: &ApiScope| scope.permissions().iter().all(|asked| asked.is_granted_to(member.role));
    if scopes.is_empty() || !scopes.iter().all(may) {
        return Err(CreateTokenError::Scopes);
    }
    let life = LIVES.contains(&request.days).then(|| TimeDelta::days(request.days)).ok_or(CreateTokenError::Life)?;
    let expires_at = ctx.now.checked_add_signed(life).ok_or(CreateTokenError::Life)?;
    Ok((name, scopes, expires_at))
}

/// Nobody gives a token more shops than they see, and a shop of the other mode would never be seen.
async fn check_shops(tx: &mut TenantTx, member: &Member, request: &CreateToken) -> Result<(), CreateTokenError> {
    if !request.shops.is_within(&member.shops) {
        return Err(CreateTokenError::Shops);
    }
    let ShopScope::Only(named) = &request.shops else { return Ok(()) };
    let ours = shops::list(tx, None, MOST_SHOPS).await?;
    let fits = |shop: &kamiflow_kernel::ShopId| {
        ours.iter().any(|row| row.id == *shop && (row.gateway == GatewayKind::Sandbox) == request.is_test)
    };
    if !named.is_empty() && named.iter().all(fits) { Ok(()) } else { Err(CreateTokenError::Shops) }
}
