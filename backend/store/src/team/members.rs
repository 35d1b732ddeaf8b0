//! Memberships: a user's seat in a merchant, with a role and perhaps with some shops only.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{Locale, MerchantId, Role, ShopId, ShopScope, UserId};
use uuid::Uuid;

use crate::accounts::lookup::{SeatRow, scope};
use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::{TenantTx, UserTx};

/// A seat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MembershipRow {
    /// Whose.
    pub user: UserId,
    /// What the member is.
    pub role: Role,
    /// Which shops the member sees.
    pub shops: ShopScope,
}

/// A member, as the team page shows one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Who.
    pub user: UserId,
    /// What is typed to log in: an address, or a staff name.
    pub login: String,
    /// Shown to the team.
    pub name: String,
    /// In which language the member reads.
    pub locale: Locale,
    /// What the member is.
    pub role: Role,
    /// Which shops the member sees.
    pub shops: ShopScope,
    /// Whether this merchant made the account, and so may reset its password.
    pub is_sub_account: bool,
    /// Whether there is a second factor.
    pub second_factor: bool,
    /// When the member last worked for this merchant.
    pub last_used_at: Option<DateTime<Utc>>,
    /// Since when.
    pub created_at: DateTime<Utc>,
}

/// Gives a user a seat.
///
/// # Errors
/// The primary key refuses a second one; a constraint refuses a leader who is limited to shops.
pub async fn insert(tx: &mut TenantTx, seat: &MembershipRow, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO memberships (merchant_id, user_id, role, all_shops, created_at) VALUES ($1, $2, $3, $4, $5)")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(seat.user.as_uuid())
        .bind::<Text, _>(seat.role.as_str())
        .bind::<Bool, _>(seat.shops == ShopScope::All)
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    insert_shops(tx, seat).await
}

async fn insert_shops(tx: &mut TenantTx, seat: &MembershipRow) -> Result<(), StoreError> {
    let ShopScope::Only(shops) = &seat.shops else { return Ok(()) };
    let merchant = tx.merchant();
    sql("INSERT INTO membership_shops (merchant_id, user_id, shop_id) SELECT $1, $2, s FROM unnest($3) s")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(seat.user.as_uuid())
        .bind::<Array<SqlUuid>, _>(shops.iter().map(|shop| shop.as_uuid()).collect::<Vec<_>>())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Locks a seat, so that of two who change it one comes first.
///
/// # Errors
/// [`StoreError::NotFound`] for a user without a seat here.
pub async fn lock(tx: &mut TenantTx, user: UserId) -> Result<MembershipRow, StoreError> {
    #[derive(QueryableByName)]
    struct Seat {
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Bool)]
        all_shops: bool,
    }
    let merchant = tx.merchant();
    let seat: Seat = sql("SELECT role, all_shops FROM memberships WHERE merchant_id = $1 AND user_id = $2 FOR UPDATE")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(user.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("member"))?;
    let shops = list_shops(tx, user).await?;
    Ok(MembershipRow { user, role: parsed(&seat.role)?, shops: scope(seat.all_shops, shops) })
}

async fn list_shops(tx: &mut TenantTx, user: UserId) -> Result<Vec<Uuid>, StoreError> {
    #[derive(QueryableByName)]
    struct Shop {
        #[diesel(sql_type = SqlUuid)]
        shop_id: Uuid,
    }
    let merchant = tx.merchant();
    let rows: Vec<Shop> =
        sql("SELECT shop_id FROM membership_shops WHERE merchant_id = $1 AND user_id = $2 ORDER BY 1")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(user.as_uuid())
            .load(tx.conn()?)
            .await?;
    Ok(rows.into_iter().map(|row| row.shop_id).collect())
}

/// Changes a seat's role and shops.
///
/// # Errors
/// Constraint `memberships_keep_an_owner` refuses to take the last owner away.
pub async fn update(tx: &mut TenantTx, seat: &MembershipRow) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM membership_shops WHERE merchant_id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(seat.user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    sql("UPDATE memberships SET role = $3, all_shops = $4 WHERE merchant_id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(seat.user.as_uuid())
        .bind::<Text, _>(seat.role.as_str())
        .bind::<Bool, _>(seat.shops == ShopScope::All)
        .execute(tx.conn()?)
        .await?;
    insert_shops(tx, seat).await
}

/// Takes a seat away; `false` when there was none.
///
/// # Errors
/// Constraint `memberships_keep_an_owner` refuses to take the last owner away.
pub async fn delete(tx: &mut TenantTx, user: UserId) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let gone = sql("DELETE FROM memberships WHERE merchant_id = $1 AND user_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(user.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(gone == 1)
}

/// Counts the merchant's owners.
///
/// # Errors
/// When the statement fails.
pub async fn count_owners(tx: &mut TenantTx) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Owners {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let merchant = tx.merchant();
    let row: Owners = sql("SELECT count(*) AS n FROM memberships WHERE merchant_id = $1 AND role = 'owner'")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.n)
}

/// Lists the members of the transaction's merchant, the oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx) -> Result<Vec<MemberRow>, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        user_id: UserId,
        #[diesel(sql_type = Text)]
        login: String,
        #[diesel(sql_type = Text)]
        name: String,
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Bool)]
        all_shops: bool,
        #[diesel(sql_type = Array<SqlUuid>)]
        shops: Vec<Uuid>,
        #[diesel(sql_type = Bool)]
        home: bool,
        #[diesel(sql_type = Bool)]
        second_factor: bool,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        last_used_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Timestamptz)]
        created_at: DateTime<Utc>,
        #[diesel(sql_type = Text)]
        locale: String,
    }
    // The function's own filter is the transaction's merchant: it joins rows that no policy shows.
    let rows: Vec<Read> = sql("SELECT user_id, login, name, role, all_shops, shops, home, second_factor, last_used_at,
                                      created_at, locale FROM merchant_team()")
    .load(tx.conn()?)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(MemberRow {
                user: row.user_id,
                login: row.login,
                name: row.name,
                locale: parsed(&row.locale)?,
                role: parsed(&row.role)?,
                shops: scope(row.all_shops, row.shops),
                is_sub_account: row.home,
                second_factor: row.second_factor,
                last_used_at: row.last_used_at,
                created_at: row.created_at,
            })
        })
        .collect()
}

/// Lists the seats of the transaction's user in all merchants, the oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_seats(tx: &UserTx) -> Result<Vec<SeatRow>, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        merchant_id: MerchantId,
        #[diesel(sql_type = Text)]
        merchant_name: String,
        #[diesel(sql_type = Text)]
        merchant_code: String,
        #[diesel(sql_type = Nullable<Timestamptz>)]
        closes_at: Option<DateTime<Utc>>,
        #[diesel(sql_type = Text)]
        role: String,
        #[diesel(sql_type = Bool)]
        all_shops: bool,
    }
    let rows: Vec<Read> =
        sql("SELECT merchant_id, merchant_name, merchant_code, closes_at, role, all_shops FROM account_seats()")
            .load(&mut tx.shared_tenant().shared()?)
            .await?;
    rows.into_iter()
        .map(|row| {
            Ok(SeatRow {
                merchant: row.merchant_id,
                merchant_name: row.merchant_name,
                merchant_code: row.merchant_code,
                closes_at: row.closes_at,
                role: parsed(&row.role)?,
                // Which shops is told by the session that works there.
                shops: scope(row.all_shops, Vec::new()),
            })
        })
        .collect()
}

/// Returns those of the shops that are the merchant's.
///
/// # Errors
/// When the statement fails.
pub async fn list_own_shops(tx: &mut TenantTx, shops: &[ShopId]) -> Result<Vec<ShopId>, StoreError> {
    #[derive(QueryableByName)]
    struct Shop {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: ShopId,
    }
    let merchant = tx.merchant();
    let rows: Vec<Shop> = sql("SELECT id FROM shops WHERE merchant_id = $1 AND id = ANY ($2) ORDER BY id")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<Array<SqlUuid>, _>(shops.iter().map(|shop| shop.as_uuid()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| row.id).collect())
}
