//! Tokens of the API: made, listed, found by their hash before it is known whose they are, and revoked.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ApiScope, ApiTokenId, MerchantId, Role, ShopScope, UserId};
use uuid::Uuid;

use crate::accounts::lookup::{named, scope};
use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::{SystemTx, TenantTx};

/// A token to store.
#[derive(Debug, Clone, Copy)]
pub struct NewApiToken<'a> {
    /// Its id.
    pub id: ApiTokenId,
    /// What its maker calls it.
    pub name: &'a str,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// Its last four characters.
    pub hint: &'a str,
    /// Whether it sees sandbox shops only, instead of all others only.
    pub is_test: bool,
    /// What it may be used for.
    pub scopes: &'a [ApiScope],
    /// Which shops it sees.
    pub shops: &'a ShopScope,
    /// Whose seat it acts with.
    pub made_by: UserId,
    /// Now.
    pub at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// A token in a list; nothing of the token itself but its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiTokenRow {
    /// Its id.
    pub id: ApiTokenId,
    /// What its maker calls it.
    pub name: String,
    /// Its last four characters.
    pub hint: String,
    /// Whether it sees sandbox shops only.
    pub is_test: bool,
    /// What it may be used for.
    pub scopes: Vec<ApiScope>,
    /// Which shops it sees.
    pub shops: ShopScope,
    /// Whose seat it acts with.
    pub made_by: UserId,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
    /// When it was used last, within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// From where, without the last part.
    pub last_used_from: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Whether it is good for nothing although nobody revoked it: its maker left, or lost the password it was made under.
    pub is_void: bool,
}

impl ApiTokenRow {
    /// Returns whether it is good for what it may be used for.
    #[must_use]
    pub fn is_good(&self, now: DateTime<Utc>) -> bool {
        self.revoked_at.is_none() && now < self.expires_at && !self.is_void
    }
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: ApiTokenId,
    #[diesel(sql_type = Text)]
    name: String,
    #[diesel(sql_type = Text)]
    hint: String,
    #[diesel(sql_type = Bool)]
    is_test: bool,
    #[diesel(sql_type = Array<Text>)]
    scopes: Vec<String>,
    #[diesel(sql_type = Bool)]
    all_shops: bool,
    #[diesel(sql_type = Array<SqlUuid>)]
    shops: Vec<Uuid>,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    made_by: UserId,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_used_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Text>)]
    last_used_from: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    revoked_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Bool)]
    is_void: bool,
}

fn scopes(texts: &[String]) -> Result<Vec<ApiScope>, StoreError> {
    texts.iter().map(|text| parsed(text)).collect()
}

impl TryFrom<Read> for ApiTokenRow {
    type Error = StoreError;

    fn try_from(row: Read) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.id,
            name: row.name,
            hint: row.hint,
            is_test: row.is_test,
            scopes: scopes(&row.scopes)?,
            shops: scope(row.all_shops, row.shops),
            made_by: row.made_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
            last_used_from: row.last_used_from,
            revoked_at: row.revoked_at,
            is_void: row.is_void,
        })
    }
}

/// Stores a token.
///
/// # Errors
/// When the statement fails; a foreign key refuses a maker without a seat.
pub async fn insert(tx: &mut TenantTx, new: &NewApiToken<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO api_tokens (id, merchant_id, name, token_hash, hint, is_test, scopes, all_shops, shops, made_by,
                                 created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.name)
    .bind::<Bytea, _>(new.token_hash.as_slice())
    .bind::<Text, _>(new.hint)
    .bind::<Bool, _>(new.is_test)
    .bind::<Array<Text>, _>(new.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>())
    .bind::<Bool, _>(*new.shops == ShopScope::All)
    .bind::<Array<SqlUuid>, _>(named(new.shops))
    .bind::<SqlUuid, _>(new.made_by.as_uuid())
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists tokens: those that are not revoked first, then those revoked last; at most 500.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<ApiTokenRow>, StoreError> {
    let merchant = tx.merchant();
    let rows: Vec<Read> =
        sql("SELECT id, name, hint, is_test, scopes, all_shops, shops, made_by, created_at, expires_at,
                last_used_at, last_used_from, revoked_at, id IN (SELECT merchant_void_tokens()) AS is_void
           FROM api_tokens WHERE merchant_id = $1
          ORDER BY revoked_at IS NOT NULL, revoked_at DESC, created_at DESC, id DESC LIMIT 500")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .load(tx.conn()?)
        .await?;
    rows.into_iter().map(ApiTokenRow::try_from).collect()
}

/// Lists the tokens of a maker that were used since a moment or up to a minute before it, which is how often their use is
/// written down; revoked ones too. Index api_tokens_of_maker.
///
/// # Errors
/// When the statement fails.
pub async fn list_used(tx: &mut TenantTx, maker: UserId, since: DateTime<Utc>) -> Result<Vec<ApiTokenId>, StoreError> {
    #[derive(QueryableByName)]
    struct Used {
        #[diesel(sql_type = SqlUuid)]
        id: Uuid,
    }
    let merchant = tx.merchant();
    let used: Vec<Used> = sql("SELECT id FROM api_tokens
          WHERE merchant_id = $1 AND made_by = $2 AND last_used_at >= $3::timestamptz - interval '1 minute'")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(maker.as_uuid())
    .bind::<Timestamptz, _>(since)
    .load(tx.conn()?)
    .await?;
    Ok(used.into_iter().map(|row| ApiTokenId::from_uuid(row.id)).collect())
}

/// Writes down that a token was used, at most once a minute.
///
/// # Errors
/// When the statement fails.
pub async fn update_used(tx: &mut TenantTx, id: ApiTokenId, from: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE api_tokens SET last_used_at = $3, last_used_from = $4
          WHERE merchant_id = $1 AND id = $2 AND (last_used_at IS NULL OR last_used_at <= $3 - interval '1 minute')")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Text, _>(from)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Revokes a token; `false` when there is no token of this id that was not revoked.
///
/// # Errors
/// When the statement fails.
pub async fn update_revoked(tx: &mut TenantTx, id: ApiTokenId, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let revoked =
        sql("UPDATE api_tokens SET revoked_at = $3 WHERE merchant_id = $1 AND id = $2 AND revoked_at IS NULL")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(id.as_uuid())
            .bind::<Timestamptz, _>(at)
            .execute(tx.conn()?)
            .await?;
    Ok(revoked == 1)
}

/// What a token is worth now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundApiToken {
    /// Its id.
    pub id: ApiTokenId,
    /// Its merchant.
    pub merchant: MerchantId,
    /// Whose seat it acts with.
    pub made_by: UserId,
    /// Whether it sees sandbox shops only.
    pub is_test: bool,
    /// What it may be used for.
    pub scopes: Vec<ApiScope>,
    /// What its maker is at present.
    pub role: Role,
    /// Whether neither it nor its maker is limited to some shops.
    pub sees_all: bool,
    /// The shops that token, seat and mode leave.
    pub shops: ShopScope,
    /// When it was used last, within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

#[derive(QueryableByName)]
struct ReadFound {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: ApiTokenId,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    merchant: MerchantId,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    made_by: UserId,
    #[diesel(sql_type = Bool)]
    is_test: bool,
    #[diesel(sql_type = Array<Text>)]
    scopes: Vec<String>,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    all_shops: bool,
    #[diesel(sql_type = Array<SqlUuid>)]
    shops: Vec<Uuid>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    last_used_at: Option<DateTime<Utc>>,
}

/// Finds what a token is worth, by its hash. Nobody is known yet: the schema's function tells one token's row.
///
/// # Errors
/// When the statement fails.
pub async fn find_by_hash(
    tx: &mut SystemTx,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<FoundApiToken>, StoreError> {
    let found: Option<ReadFound> = sql("SELECT id, merchant_id AS merchant, made_by, is_test, scopes, role, all_shops,
                shops, last_used_at
           FROM system_find_api_token($1, $2)")
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .get_result(tx.conn()?)
    .await
    .optional()?;
    let Some(row) = found else { return Ok(None) };
    Ok(Some(FoundApiToken {
        id: row.id,
        merchant: row.merchant,
        made_by: row.made_by,
        is_test: row.is_test,
        scopes: scopes(&row.scopes)?,
        role: parsed(&row.role)?,
        sees_all: row.all_shops,
        shops: scope(false, row.shops),
        last_used_at: row.last_used_at,
    }))
}
