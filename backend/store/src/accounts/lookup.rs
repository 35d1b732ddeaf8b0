//! What may be asked before it is known who somebody is: each function calls one narrow function of the schema.
//!
//! All take a [`SystemTx`], which sees no row of anybody. What they answer with is what the next transaction is bound to.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{
    Locale, LoginName, MerchantCode, MerchantId, Role, SecretText, SessionId, ShopId, ShopScope, Theme, UserId,
};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::SystemTx;

/// Whose a log-in name is.
#[derive(Debug, Clone)]
pub struct Login {
    /// The user.
    pub user: UserId,
    /// What the password is compared with.
    pub password_hash: SecretText,
    /// The merchant whose work the user did last, if she has a seat anywhere.
    pub merchant: Option<MerchantId>,
}

/// Finds whose a log-in name is.
///
/// # Errors
/// When the statement fails.
pub async fn find_login(tx: &mut SystemTx, login: &LoginName) -> Result<Option<Login>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        user: UserId,
        #[diesel(sql_type = Text)]
        password_hash: String,
        #[diesel(sql_type = Nullable<SqlUuid>)]
        merchant: Option<Uuid>,
    }
    let found: Option<Found> =
        sql("SELECT user_id AS user, password_hash, merchant_id AS merchant FROM system_find_login($1)")
            .bind::<Text, _>(login.as_str())
            .get_result(tx.conn()?)
            .await
            .optional()?;
    Ok(found.map(|row| Login {
        user: row.user,
        password_hash: row.password_hash.into(),
        merchant: row.merchant.map(MerchantId::from_uuid),
    }))
}

#[derive(QueryableByName)]
struct Owner {
    #[diesel(sql_type = Nullable<SqlUuid>)]
    owner: Option<Uuid>,
}

/// Finds whose a session is, whether it lives or not.
///
/// # Errors
/// When the statement fails.
pub async fn find_user_of_session(tx: &mut SystemTx, session: SessionId) -> Result<Option<UserId>, StoreError> {
    let row: Owner = sql("SELECT system_user_of_session($1) AS owner")
        .bind::<SqlUuid, _>(session.as_uuid())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.owner.map(UserId::from_uuid))
}

/// Finds whose a one-time token is, whether it is good or not.
///
/// # Errors
/// When the statement fails.
pub async fn find_user_of_token(tx: &mut SystemTx, hash: &[u8; 32]) -> Result<Option<UserId>, StoreError> {
    let row: Owner = sql("SELECT system_user_of_token($1) AS owner")
        .bind::<Bytea, _>(hash.as_slice())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.owner.map(UserId::from_uuid))
}

/// Whose team an invitation is into.
#[derive(Debug, Clone, QueryableByName)]
pub struct InvitingMerchant {
    /// The merchant.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Her name.
    #[diesel(sql_type = Text)]
    pub name: String,
}

/// Finds whose team an invitation is into, whether it is good or not.
///
/// # Errors
/// When the statement fails.
pub async fn find_merchant_of_invitation(
    tx: &mut SystemTx,
    hash: &[u8; 32],
) -> Result<Option<InvitingMerchant>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, merchant_name AS name FROM system_merchant_of_invitation($1)")
        .bind::<Bytea, _>(hash.as_slice())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Returns whether a merchant has this code.
///
/// # Errors
/// When the statement fails.
pub async fn exists_code(tx: &mut SystemTx, code: &MerchantCode) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Taken {
        #[diesel(sql_type = Bool)]
        taken: bool,
    }
    let row: Taken =
        sql("SELECT system_code_exists($1) AS taken").bind::<Text, _>(code.as_str()).get_result(tx.conn()?).await?;
    Ok(row.taken)
}

/// A seat in the merchant a session works for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatRow {
    /// The merchant.
    pub merchant: MerchantId,
    /// Her name.
    pub merchant_name: String,
    /// Her code, behind the `@` of staff's log-in names.
    pub merchant_code: String,
    /// The end of the days of grace, if she was closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// What the member is.
    pub role: Role,
    /// Which shops the member sees.
    pub shops: ShopScope,
}

/// Who a session belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authenticated {
    /// What is typed to log in.
    pub login: LoginName,
    /// Shown to the team.
    pub name: String,
    /// The language.
    pub locale: Locale,
    /// How pages look.
    pub theme: Theme,
    /// Whether the next thing to do is to choose a password.
    pub must_change_password: bool,
    /// Until when what asks for a fresh proof is allowed.
    pub sudo_until: Option<DateTime<Utc>>,
    /// When a second factor was proved.
    pub second_factor_at: Option<DateTime<Utc>>,
    /// Whether the user has a second factor.
    pub has_second_factor: bool,
    /// Whether the user has seats in other merchants.
    pub works_elsewhere: bool,
    /// The seat, unless the user has none where the session works.
    pub seat: Option<SeatRow>,
}

#[derive(QueryableByName)]
struct ReadAuthenticated {
    #[diesel(sql_type = Text)]
    login: String,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Text)]
    theme: String,
    #[diesel(sql_type = Bool)]
    must_change_password: bool,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    sudo_until: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    second_factor_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    has_second_factor: bool,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    merchant_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    merchant_name: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    merchant_code: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    closes_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    role: Option<String>,
    #[diesel(sql_type = Nullable<Bool>)]
    all_shops: Option<bool>,
    #[diesel(sql_type = Nullable<Array<SqlUuid>>)]
    shops: Option<Vec<Uuid>>,
    #[diesel(sql_type = Bool)]
    works_elsewhere: bool,
}

impl TryFrom<ReadAuthenticated> for Authenticated {
    type Error = StoreError;

    fn try_from(row: ReadAuthenticated) -> Result<Self, Self::Error> {
        let seat = match (row.merchant_id, row.role, row.all_shops) {
            (Some(merchant), Some(role), Some(all_shops)) => Some(SeatRow {
                merchant: MerchantId::from_uuid(merchant),
                merchant_name: row.merchant_name.unwrap_or_default(),
                merchant_code: row.merchant_code.unwrap_or_default(),
                closes_at: row.closes_at,
                role: parsed(&role)?,
                shops: scope(all_shops, row.shops.unwrap_or_default()),
            }),
            _ => None,
        };
        Ok(Self {
            login: parsed(&row.login)?,
            name: row.name,
            locale: parsed(&row.locale)?,
            theme: parsed(&row.theme)?,
            must_change_password: row.must_change_password,
            sudo_until: row.sudo_until,
            second_factor_at: row.second_factor_at,
            has_second_factor: row.has_second_factor,
            works_elsewhere: row.works_elsewhere,
            seat,
        })
    }
}

pub(crate) fn scope(all_shops: bool, shops: Vec<Uuid>) -> ShopScope {
    if all_shops { ShopScope::All } else { ShopScope::Only(shops.into_iter().map(ShopId::from_uuid).collect()) }
}

/// Returns the shops that a scope names, as they are stored beside `all_shops`.
pub(crate) fn named(scope: &ShopScope) -> Vec<Uuid> {
    match scope {
        ShopScope::All => Vec::new(),
        ShopScope::Only(shops) => shops.iter().map(|shop| shop.as_uuid()).collect(),
    }
}

/// Says in one query whether a session lives, whose it is and what the seat in its merchant is.
///
/// # Errors
/// When the statement fails.
pub async fn authenticate(
    tx: &mut SystemTx,
    user: UserId,
    session: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<Authenticated>, StoreError> {
    let found: Option<ReadAuthenticated> = sql("SELECT login, name, locale, theme, must_change_password, sudo_until,
                second_factor_at, has_second_factor, merchant_id, merchant_name, merchant_code, closes_at, role,
                all_shops, shops, works_elsewhere
           FROM system_authenticate($1, $2, $3)")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<SqlUuid, _>(session.as_uuid())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    found.map(Authenticated::try_from).transpose()
}
