//! Users: people, and staff without e-mail.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{EmailAddress, Locale, LoginName, MerchantId, SecretText, Theme, UserId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::UserTx;

/// Where a user comes from.
#[derive(Debug, Clone, Copy)]
pub enum Origin {
    /// Confirmed an e-mail address, which is the log-in name.
    Email,
    /// Was made by a merchant, with a temporary password.
    Merchant(MerchantId),
    /// Was made by the operator: a realm of its own, in which an address may stand although a customer has it.
    Staff,
}

/// A user to insert; the id is the transaction's.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// What is typed to log in.
    pub login: &'a LoginName,
    /// Where from.
    pub origin: Origin,
    /// Shown to the team.
    pub name: &'a str,
    /// Argon2id, as a PHC string.
    pub password_hash: &'a SecretText,
    /// The language.
    pub locale: Locale,
    /// When the account was made.
    pub at: DateTime<Utc>,
}

/// A user.
#[derive(Debug, Clone)]
pub struct UserRow {
    /// Her id.
    pub id: UserId,
    /// What is typed to log in.
    pub login: LoginName,
    /// Where mail goes; staff may have none.
    pub email: Option<EmailAddress>,
    /// The merchant that made the account of staff without e-mail.
    pub home: Option<MerchantId>,
    /// Shown to the team.
    pub name: String,
    /// Whether the next thing to do is to choose a password.
    pub must_change_password: bool,
    /// The language.
    pub locale: Locale,
    /// How pages look.
    pub theme: Theme,
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: UserId,
    #[diesel(sql_type = Text)]
    login: String,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    home_merchant: Option<Uuid>,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Bool)]
    must_change_password: bool,
    #[diesel(sql_type = Text)]
    locale: String,
    #[diesel(sql_type = Text)]
    theme: String,
}

impl TryFrom<Read> for UserRow {
    type Error = StoreError;

    fn try_from(row: Read) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.id,
            login: parsed(&row.login)?,
            email: row.email.as_deref().map(parsed).transpose()?,
            home: row.home_merchant.map(MerchantId::from_uuid),
            name: row.name,
            must_change_password: row.must_change_password,
            locale: parsed(&row.locale)?,
            theme: parsed(&row.theme)?,
        })
    }
}

/// Inserts the transaction's user. One that a merchant made must change the password first.
///
/// # Errors
/// Constraint `users_login_once` refuses a log-in name that exists.
pub async fn insert(tx: &mut UserTx, new: &NewUser<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    let (email, home, realm) = match new.origin {
        Origin::Email => (Some(new.login.as_str()), None, "customers"),
        Origin::Merchant(merchant) => (None, Some(merchant.as_uuid()), "customers"),
        Origin::Staff => (Some(new.login.as_str()), None, "staff"),
    };
    sql("INSERT INTO users (id, login, email, home_merchant, name, password_hash, password_changed_at,
                            must_change_password, locale, confirmed_at, created_at, realm)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $4 IS NOT NULL, $8, $7, $7, $9)")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(new.login.as_str())
    .bind::<Nullable<Text>, _>(email)
    .bind::<Nullable<SqlUuid>, _>(home)
    .bind::<Text, _>(new.name)
    .bind::<Text, _>(new.password_hash.expose())
    .bind::<Timestamptz, _>(new.at)
    .bind::<Text, _>(new.locale.as_str())
    .bind::<Text, _>(realm)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Reads the transaction's user.
///
/// # Errors
/// [`StoreError::NotFound`] when the account is closed or never was.
pub async fn fetch(tx: &mut UserTx) -> Result<UserRow, StoreError> {
    let user = tx.user();
    sql("SELECT id, login, email, home_merchant, name, must_change_password, locale, theme
           FROM users WHERE user_id = $1 AND closed_at IS NULL")
    .bind::<SqlUuid, _>(user.as_uuid())
    .get_result::<Read>(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("user"))?
    .try_into()
}

/// Reads the hash of the user's password, for those who say it once more.
///
/// # Errors
/// [`StoreError::NotFound`] when there is no such user.
pub async fn fetch_password_hash(tx: &mut UserTx) -> Result<SecretText, StoreError> {
    #[derive(QueryableByName)]
    struct Hash {
        #[diesel(sql_type = Nullable<Text>)]
        hash: Option<String>,
    }
    let row: Hash = sql("SELECT account_password() AS hash").get_result(tx.conn()?).await?;
    row.hash.map(SecretText::from).ok_or(StoreError::NotFound("user"))
}

/// Whether a password was chosen by the user, or is to be changed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordKind {
    /// Chosen by the user.
    Chosen,
    /// Told to the user by somebody else.
    Temporary,
    /// The same one, hashed with other parameters.
    Rehashed,
}

/// Replaces the hash of the user's password.
///
/// # Errors
/// When the statement fails.
pub async fn update_password(
    tx: &mut UserTx,
    hash: &SecretText,
    kind: PasswordKind,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE users SET password_hash = $2, password_changed_at = CASE WHEN $4 THEN password_changed_at ELSE $3 END,
                          must_change_password = CASE WHEN $4 THEN must_change_password ELSE $5 END
          WHERE user_id = $1")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(hash.expose())
    .bind::<Timestamptz, _>(at)
    .bind::<Bool, _>(kind == PasswordKind::Rehashed)
    .bind::<Bool, _>(kind == PasswordKind::Temporary)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Makes tokens of the API that the user has made until now good for nothing, with every merchant: whoever resets an
/// account does not know who made them.
///
/// # Errors
/// When the connection is lost.
pub async fn void_api_tokens(tx: &mut UserTx, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE users SET tokens_void_before = $2 WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Gives the user another address, which is the log-in name from then on.
///
/// # Errors
/// Constraint `users_login_once` refuses an address that somebody has.
pub async fn update_email(tx: &mut UserTx, email: &EmailAddress) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE users SET login = $2, email = $2 WHERE user_id = $1 AND email IS NOT NULL")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Text, _>(email.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// What a user may set about herself.
#[derive(Debug, Clone, Copy)]
pub struct Settings<'a> {
    /// Shown to the team.
    pub name: &'a str,
    /// The language.
    pub locale: Locale,
    /// How pages look.
    pub theme: Theme,
}

/// Changes name, language and look.
///
/// # Errors
/// A constraint refuses a name that is empty or longer than 80 characters.
pub async fn update_settings(tx: &mut UserTx, settings: &Settings<'_>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE users SET name = $2, locale = $3, theme = $4 WHERE user_id = $1")
        .bind::<SqlUuid, _>(user.as_uuid())
        .bind::<Text, _>(settings.name)
        .bind::<Text, _>(settings.locale.as_str())
        .bind::<Text, _>(settings.theme.as_str())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Lets nobody else change what the account logs in with, take seats for it or delete it until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`] for an account that was deleted.
pub async fn lock(tx: &mut UserTx) -> Result<(), StoreError> {
    let user = tx.user();
    let open = sql("SELECT FROM users WHERE user_id = $1 AND closed_at IS NULL FOR NO KEY UPDATE")
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    if open == 0 { Err(StoreError::NotFound("account")) } else { Ok(()) }
}

/// Closes the account and frees its log-in name; who acted stays readable by id.
///
/// # Errors
/// When the statement fails.
pub async fn update_closed(tx: &mut UserTx, at: DateTime<Utc>) -> Result<(), StoreError> {
    let user = tx.user();
    sql("UPDATE users SET closed_at = $2, name = '-', login = 'closed-' || id || '@kamiflow',
                          email = CASE WHEN email IS NULL THEN NULL ELSE 'closed-' || id || '@kamiflow' END
          WHERE user_id = $1")
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}
