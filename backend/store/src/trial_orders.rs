//! Orders that a shop in trial run has seen and would decide about.

use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{OrderId, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// An order that was seen and is not shipped.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct SeenOrder {
    /// Its id, which pages are cut by.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: OrderId,
    /// Its number.
    #[diesel(sql_type = Text)]
    pub order_sn: String,
}

/// Lists a shop's orders that are to be shipped and that nothing was done about, the earliest seen first. Index
/// orders_ship_by holds what is to be shipped and nothing else.
///
/// # Errors
/// When the statement fails.
pub async fn list(
    tx: &mut TenantTx,
    shop: ShopId,
    after: Option<OrderId>,
    limit: i64,
) -> Result<Vec<SeenOrder>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, order_sn FROM orders
             WHERE merchant_id = $1 AND shop_id = $2 AND to_ship AND state = 'seen' AND ($3::uuid IS NULL OR id > $3)
             ORDER BY id LIMIT $4")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Nullable<SqlUuid>, _>(after.map(OrderId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
