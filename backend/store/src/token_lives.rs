//! How long the tokens of shops live, and how many orders wait for them.

use chrono::{DateTime, Utc};
use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;
use uuid::Uuid;

use crate::credentials::TokenLevels;
use crate::error::StoreError;
use crate::sql::{sql, uuids};
use crate::tx::TenantTx;

/// The tokens of one shop, without the tokens.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct TokenLifeRow {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    #[diesel(sql_type = Text)]
    pub name: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub issued_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    r1: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    r2: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    w1: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    w2: Option<DateTime<Utc>>,
    #[diesel(sql_type = Array<Text>)]
    pub scopes: Vec<String>,
    #[diesel(sql_type = Nullable<Text>)]
    pub dead_reason: Option<String>,
    /// Orders to ship.
    #[diesel(sql_type = BigInt)]
    pub waiting: i64,
}

impl TokenLifeRow {
    /// Returns when single permissions end.
    #[must_use]
    pub const fn levels(&self) -> TokenLevels {
        TokenLevels { r1: self.r1, r2: self.r2, w1: self.w1, w2: self.w2 }
    }
}

/// Lists the merchant's shops by the time their tokens have left, or one of them. Orders to ship are counted by index
/// orders_ship_by, which holds nothing else.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, only: Option<ShopId>, limit: i64) -> Result<Vec<TokenLifeRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT s.id AS shop, s.name, s.state, c.issued_at, c.expires_at, c.r1_expires_at AS r1, c.r2_expires_at AS r2,
                   c.w1_expires_at AS w1, c.w2_expires_at AS w2, c.scopes, c.dead_reason,
                   (SELECT count(*) FROM orders o WHERE o.merchant_id = $1 AND o.shop_id = s.id AND o.to_ship) AS waiting
              FROM shops s JOIN credentials c ON c.shop_id = s.id AND c.merchant_id = s.merchant_id
             WHERE s.merchant_id = $1 AND s.state <> 'disconnected' AND ($2::uuid IS NULL OR s.id = $2)
             ORDER BY c.expires_at, s.id LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(only.map(ShopId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Counts the orders that are to be shipped, of each of these shops. Index orders_ship_by.
///
/// # Errors
/// When the statement fails.
pub async fn count_waiting(tx: &mut TenantTx, shops: &[ShopId]) -> Result<Vec<(ShopId, i64)>, StoreError> {
    #[derive(QueryableByName)]
    struct Waiting {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        shop: ShopId,
        #[diesel(sql_type = BigInt)]
        waiting: i64,
    }
    let merchant = tx.merchant();
    let rows: Vec<Waiting> = sql("SELECT s.id AS shop, (SELECT count(*) FROM orders o
                                          WHERE o.merchant_id = $1 AND o.shop_id = s.id AND o.to_ship) AS waiting
                                    FROM shops s WHERE s.merchant_id = $1 AND s.id = ANY ($2) ORDER BY s.id")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Array<SqlUuid>, _>(uuids(shops))
    .load(tx.conn()?)
    .await?;
    Ok(rows.into_iter().map(|row| (row.shop, row.waiting)).collect())
}
