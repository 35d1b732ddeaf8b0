//! What is known about the SKUs of orders: product kind and mapping, in one read.

use diesel::QueryableByName;
use diesel::sql_types::{Array, BigInt, Integer, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::ShopId;
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A known SKU with its product's kind and its mapping, if it has one.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct SkuFacts {
    #[diesel(sql_type = BigInt)]
    pub platform_sku_id: i64,
    #[diesel(sql_type = SqlUuid)]
    pub sku_id: Uuid,
    #[diesel(sql_type = Nullable<Integer>)]
    pub goods_type: Option<i32>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub delivery_type: Option<i32>,
    #[diesel(sql_type = Nullable<Text>)]
    pub delivery_method: Option<String>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub pool_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub redemption_method: Option<String>,
    #[diesel(sql_type = Nullable<Integer>)]
    pub cards_per_unit: Option<i32>,
    #[diesel(sql_type = Nullable<Jsonb>)]
    pub settings: Option<serde_json::Value>,
}

pub(crate) const LIST: &str =
    "SELECT k.platform_sku_id, k.id AS sku_id, p.goods_type, p.delivery_type, m.delivery_method, m.pool_id,
                   m.redemption_method, m.cards_per_unit, m.settings
              FROM skus k
              JOIN products p ON p.id = k.product_id AND p.merchant_id = k.merchant_id
              LEFT JOIN sku_mappings m ON m.sku_id = k.id AND m.merchant_id = k.merchant_id
             WHERE k.merchant_id = $1 AND k.shop_id = $2 AND k.platform_sku_id = ANY ($3)";

/// Lists the SKUs of a shop that are known, by the platform's numbers. Index skus_once.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &TenantTx, shop: ShopId, platform_skus: &[i64]) -> Result<Vec<SkuFacts>, StoreError> {
    Ok(sql(LIST)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<BigInt>, _>(platform_skus.to_vec())
        .load(&mut tx.shared()?)
        .await?)
}
