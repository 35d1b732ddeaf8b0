//! Accounts of staff without e-mail: `name@merchant-code` with a temporary password that has to be changed.
//!
//! Whoever governs a member may also reset what the member has lost: the password of an account this merchant made, and
//! the second factor of any member. All of the member's sessions end with it.

use kamiflow_kernel::{Locale, LoginName, LoginNameError, Permission, Role, SecretText, ShopScope, UserId};
use kamiflow_store::accounts::sessions::{self, SessionEnd};
use kamiflow_store::accounts::tokens::{self, TokenPurpose};
use kamiflow_store::accounts::users::{self, NewUser, Origin, PasswordKind};
use kamiflow_store::accounts::{devices, factors};
use kamiflow_store::team::members::{self, MembershipRow};
use kamiflow_store::{StoreError, UserTx, merchants};
use serde_json::json;

use super::{TeamError, check_seat, lock_governed, shown};
use crate::accounts::Accounts;
use crate::accounts::password::HashError;
use crate::accounts::sign_up::one_line;
use crate::acts;
use crate::ctx::Ctx;

/// An account to make.
#[derive(Debug, Clone)]
pub struct CreateSubAccount {
    /// What stands in front of the `@`.
    pub name: String,
    /// Shown to the team; the name if empty.
    pub display_name: String,
    /// As what; not an owner.
    pub role: Role,
    /// For which shops.
    pub shops: ShopScope,
    /// The language.
    pub locale: Locale,
}

/// An account that was made or reset.
#[derive(Debug, Clone)]
pub struct TemporaryPassword {
    /// Whose.
    pub user: UserId,
    /// What to log in with.
    pub login: LoginName,
    /// Shown once.
    pub password: SecretText,
}

/// Why no account was made or reset.
#[derive(Debug, thiserror::Error)]
pub enum SubAccountError {
    /// The name cannot be one.
    #[error(transparent)]
    Name(#[from] LoginNameError),
    /// The name is in use.
    #[error("`{0}` is in use")]
    Taken(LoginName),
    /// Owners have an e-mail address.
    #[error("an owner needs an e-mail address")]
    Owner,
    /// The account is not this merchant's own.
    #[error("this account belongs to the person, who can reset the password by mail")]
    NotOurs,
    /// The password could not be hashed.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The actor may not, or the store failed.
    #[error(transparent)]
    Team(#[from] TeamError),
}

impl From<StoreError> for SubAccountError {
    fn from(error: StoreError) -> Self {
        Self::Team(error.into())
    }
}

/// Makes an account and its seat.
///
/// # Errors
/// See [`SubAccountError`].
pub async fn create_sub_account(
    accounts: &Accounts,
    ctx: &Ctx,
    request: &CreateSubAccount,
) -> Result<TemporaryPassword, SubAccountError> {
    ctx.require(Permission::ManageTeam).map_err(TeamError::from)?;
    ctx.require_sudo().map_err(TeamError::from)?;
    if request.role == Role::Owner {
        return Err(SubAccountError::Owner);
    }
    let password = temporary_password();
    let hash = accounts.hasher.hash(&password).await?;
    let user = UserId::generate();
    let mut tx = accounts.store.user_tx(ctx.merchant, user).await?;
    check_seat(tx.tenant(), ctx, request.role, &request.shops).await?;
    let code = merchants::fetch_code(tx.tenant()).await?;
    let login = LoginName::of_staff(&request.name, &code)?;
    let name = one_line(&request.display_name, 80)
        .unwrap_or_else(|| login.as_str().split('@').next().unwrap_or_default().to_owned());
    let new = NewUser {
        login: &login,
        origin: Origin::Merchant(ctx.merchant),
        name: &name,
        password_hash: &hash,
        locale: request.locale,
        at: ctx.now,
    };
    users::insert(&mut tx, &new).await.map_err(|error| match error.constraint() {
        Some("users_login_once") => SubAccountError::Taken(login.clone()),
        _ => error.into(),
    })?;
    let seat = MembershipRow { user, role: request.role, shops: request.shops.clone() };
    members::insert(tx.tenant(), &seat, ctx.now).await?;
    let detail = json!({ "login": login, "role": request.role, "shops": shown(&request.shops) });
    acts::record(tx.tenant(), ctx, "team.sub_account_create", user, detail).await?;
    tx.commit().await?;
    Ok(TemporaryPassword { user, login, password })
}

/// Gives an account that this merchant made another temporary password.
///
/// # Errors
/// See [`SubAccountError`].
pub async fn reset_sub_account(
    accounts: &Accounts,
    ctx: &Ctx,
    user: UserId,
) -> Result<TemporaryPassword, SubAccountError> {
    ctx.require(Permission::ManageTeam).map_err(TeamError::from)?;
    ctx.require_sudo().map_err(TeamError::from)?;
    let password = temporary_password();
    let hash = accounts.hasher.hash(&password).await?;
    let mut tx = accounts.store.user_tx(ctx.merchant, user).await?;
    lock_governed(tx.tenant(), ctx, user).await?;
    let row = users::fetch(&mut tx).await?;
    if row.home != Some(ctx.merchant) || has_seats_elsewhere(&mut tx, ctx).await? {
        return Err(SubAccountError::NotOurs);
    }
    users::update_password(&mut tx, &hash, PasswordKind::Temporary, ctx.now).await?;
    end_everything(&mut tx, ctx).await?;
    acts::record(tx.tenant(), ctx, "team.sub_account_reset", user, json!({})).await?;
    tx.commit().await?;
    Ok(TemporaryPassword { user, login: row.login, password })
}

/// Removes a member's second factors and recovery codes.
///
/// # Errors
/// When the actor does not govern the member, a fresh proof is needed, or the store fails.
pub async fn reset_second_factor(accounts: &Accounts, ctx: &Ctx, user: UserId) -> Result<(), SubAccountError> {
    ctx.require(Permission::ManageTeam).map_err(TeamError::from)?;
    ctx.require_sudo().map_err(TeamError::from)?;
    let mut tx = accounts.store.user_tx(ctx.merchant, user).await?;
    lock_governed(tx.tenant(), ctx, user).await?;
    if has_seats_elsewhere(&mut tx, ctx).await? {
        return Err(SubAccountError::NotOurs);
    }
    let removed = factors::delete_all(&mut tx).await?;
    end_everything(&mut tx, ctx).await?;
    acts::record(tx.tenant(), ctx, "team.second_factor_reset", user, json!({ "removed": removed })).await?;
    tx.commit().await?;
    Ok(())
}

/// Somebody with seats elsewhere is not this merchant's to weaken.
async fn has_seats_elsewhere(tx: &mut UserTx, ctx: &Ctx) -> Result<bool, StoreError> {
    Ok(members::list_seats(tx).await?.iter().any(|seat| seat.merchant != ctx.merchant))
}

async fn end_everything(tx: &mut UserTx, ctx: &Ctx) -> Result<(), StoreError> {
    tokens::delete(tx, TokenPurpose::SecondStep).await?;
    users::void_api_tokens(tx, ctx.now).await?;
    sessions::update_all_ended(tx, None, SessionEnd::Reset, ctx.now).await?;
    devices::delete_all(tx).await
}

/// Twelve characters that are not mistaken for each other: 60 random bits, to be read aloud.
fn temporary_password() -> SecretText {
    const LETTERS: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't', 'u', 'v', 'w', 'x', 'y',
        'z', '2', '3', '4', '5', '6', '7', '8', '9', '+',
    ];
    let mut bytes = [0_u8; 12];
    rand::fill(&mut bytes);
    let letter = |byte: &u8| LETTERS.get(usize::from(byte % 32)).copied().unwrap_or('x');
    let text: String = bytes.iter().map(letter).collect();
    SecretText::new(text)
}
