//! Products and SKUs as the platform lists them, and what is done with orders of each SKU.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bool, Integer, Jsonb, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DeliveryMethod, GoodsId, PlatformSkuId, PoolId, ProductId, RedemptionMethod, ShopId, SkuId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A product as the goods list shows it.
#[derive(Debug, Clone, Copy)]
pub struct ProductChange<'a> {
    /// Its number.
    pub goods_id: GoodsId,
    /// Its name.
    pub name: &'a str,
    /// Its picture.
    pub image_url: &'a str,
    /// Whether it is on sale.
    pub on_sale: bool,
}

/// A SKU as the goods list shows it.
#[derive(Debug, Clone, Copy)]
pub struct SkuChange<'a> {
    /// Its product.
    pub goods_id: GoodsId,
    /// Its number.
    pub sku_id: PlatformSkuId,
    /// The merchant's code.
    pub outer_id: &'a str,
    /// Its name.
    pub spec: &'a str,
    /// The platform's stock.
    pub quantity: i64,
    /// Whether it is on sale.
    pub on_sale: bool,
}

/// What only the detail of a product tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DetailChange {
    /// The product.
    pub goods_id: GoodsId,
    /// See protocol 4.1.
    pub goods_type: Option<i32>,
    /// 0 without logistics, 1 with.
    pub delivery_type: Option<i32>,
    /// Category.
    pub cat_id: Option<i64>,
}

/// A SKU with its product.
#[derive(Debug, Clone, QueryableByName)]
pub struct SkuRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: SkuId,
    /// Its product.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub product: ProductId,
    /// Its shop.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub shop: ShopId,
    /// The product's number.
    #[diesel(sql_type = BigInt)]
    pub goods_id: i64,
    /// Its number.
    #[diesel(sql_type = BigInt)]
    pub platform_sku_id: i64,
    /// The merchant's code.
    #[diesel(sql_type = Text)]
    pub outer_id: String,
    /// The product's name.
    #[diesel(sql_type = Text)]
    pub goods_name: String,
    /// Its name.
    #[diesel(sql_type = Text)]
    pub spec: String,
    /// See protocol 4.1; unknown until the detail was read.
    #[diesel(sql_type = Nullable<Integer>)]
    pub goods_type: Option<i32>,
    /// 0 without logistics, 1 with.
    #[diesel(sql_type = Nullable<Integer>)]
    pub delivery_type: Option<i32>,
    /// Whether it is on sale.
    #[diesel(sql_type = Bool)]
    pub on_sale: bool,
    /// What is done with its orders; none: nobody has said.
    #[diesel(sql_type = Nullable<Text>)]
    pub delivery_method: Option<String>,
}

/// What is done with orders of a SKU.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Handling {
    /// Not ours to deliver: a decision too.
    Skip,
    /// Delivered.
    Deliver {
        /// How.
        method: DeliveryMethod,
        /// From which pool, for methods that hand out our cards.
        pool: Option<PoolId>,
        /// How it is declared used.
        redemption: RedemptionMethod,
        /// Cards for one unit bought.
        cards_per_unit: i32,
    },
}

/// A mapping to store.
#[derive(Debug, Clone)]
pub struct NewMapping {
    /// The SKU.
    pub sku: SkuId,
    /// What is done with its orders.
    pub handling: Handling,
    /// Settings of the method.
    pub settings: serde_json::Value,
}

/// Upserts products of a shop; what only the detail tells is kept. One statement per page.
///
/// # Errors
/// When the statement fails.
pub async fn upsert_products(
    tx: &mut TenantTx,
    shop: ShopId,
    products: &[ProductChange<'_>],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let ids: Vec<Uuid> = products.iter().map(|_| ProductId::generate().as_uuid()).collect();
    sql("INSERT INTO products (id, merchant_id, shop_id, goods_id, name, image_url, on_sale, synced_at)
         SELECT g.id, $1, $2, g.goods_id, g.name, g.image_url, g.on_sale, $3
           FROM unnest($4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::boolean[])
                AS g (id, goods_id, name, image_url, on_sale)
          ORDER BY g.goods_id
         ON CONFLICT ON CONSTRAINT products_once DO UPDATE
            SET name = excluded.name, image_url = excluded.image_url, on_sale = excluded.on_sale,
                synced_at = excluded.synced_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(products.iter().map(|p| p.goods_id.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(products.iter().map(|p| p.name).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(products.iter().map(|p| p.image_url).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(products.iter().map(|p| p.on_sale).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Upserts SKUs of a shop whose products are known. One statement per page.
///
/// # Errors
/// When the statement fails.
pub async fn upsert_skus(
    tx: &mut TenantTx,
    shop: ShopId,
    skus: &[SkuChange<'_>],
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let ids: Vec<Uuid> = skus.iter().map(|_| SkuId::generate().as_uuid()).collect();
    sql("INSERT INTO skus (id, merchant_id, shop_id, product_id, platform_sku_id, outer_id, spec, quantity, on_sale, synced_at)
         SELECT g.id, $1, $2, p.id, g.sku_id, g.outer_id, g.spec, g.quantity, g.on_sale, $3
           FROM unnest($4::uuid[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::bigint[], $10::boolean[])
                AS g (id, goods_id, sku_id, outer_id, spec, quantity, on_sale)
           JOIN products p ON p.merchant_id = $1 AND p.shop_id = $2 AND p.goods_id = g.goods_id
          ORDER BY g.sku_id
         ON CONFLICT ON CONSTRAINT skus_once DO UPDATE
            SET product_id = excluded.product_id, outer_id = excluded.outer_id, spec = excluded.spec,
                quantity = excluded.quantity, on_sale = excluded.on_sale, synced_at = excluded.synced_at")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<BigInt>, _>(skus.iter().map(|s| s.goods_id.0).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(skus.iter().map(|s| s.sku_id.0).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(skus.iter().map(|s| s.outer_id).collect::<Vec<_>>())
    .bind::<Array<Text>, _>(skus.iter().map(|s| s.spec).collect::<Vec<_>>())
    .bind::<Array<BigInt>, _>(skus.iter().map(|s| s.quantity).collect::<Vec<_>>())
    .bind::<Array<Bool>, _>(skus.iter().map(|s| s.on_sale).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Writes what the detail of products told.
///
/// # Errors
/// When the statement fails.
pub async fn update_details(tx: &mut TenantTx, shop: ShopId, details: &[DetailChange]) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE products p SET goods_type = g.goods_type, delivery_type = g.delivery_type, cat_id = g.cat_id
           FROM unnest($3::bigint[], $4::integer[], $5::integer[], $6::bigint[])
                AS g (goods_id, goods_type, delivery_type, cat_id)
          WHERE p.merchant_id = $1 AND p.shop_id = $2 AND p.goods_id = g.goods_id")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<BigInt>, _>(details.iter().map(|d| d.goods_id.0).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(details.iter().map(|d| d.goods_type).collect::<Vec<_>>())
    .bind::<Array<Nullable<Integer>>, _>(details.iter().map(|d| d.delivery_type).collect::<Vec<_>>())
    .bind::<Array<Nullable<BigInt>>, _>(details.iter().map(|d| d.cat_id).collect::<Vec<_>>())
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists products whose detail has told nothing yet, oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_without_detail(tx: &mut TenantTx, shop: ShopId, limit: i64) -> Result<Vec<GoodsId>, StoreError> {
    #[derive(QueryableByName)]
    struct Product {
        #[diesel(sql_type = BigInt)]
        goods_id: i64,
    }
    let merchant = tx.merchant();
    let rows: Vec<Product> = sql("SELECT goods_id FROM products
             WHERE merchant_id = $1 AND shop_id = $2 AND goods_type IS NULL AND delivery_type IS NULL AND on_sale
             ORDER BY id LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?;
    Ok(rows.into_iter().map(|row| GoodsId(row.goods_id)).collect())
}

/// Marks products and SKUs that a complete sync did not meet as off sale.
///
/// # Errors
/// When the statement fails.
pub async fn update_unseen(tx: &mut TenantTx, shop: ShopId, synced_before: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    for statement in [
        "UPDATE products SET on_sale = false WHERE merchant_id = $1 AND shop_id = $2 AND synced_at < $3 AND on_sale",
        "UPDATE skus SET on_sale = false WHERE merchant_id = $1 AND shop_id = $2 AND synced_at < $3 AND on_sale",
    ] {
        sql(statement)
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(shop.as_uuid())
            .bind::<Timestamptz, _>(synced_before)
            .execute(tx.conn()?)
            .await?;
    }
    Ok(())
}

/// Lists a shop's SKUs after a cursor.
///
/// # Errors
/// When the statement fails.
pub async fn list_skus(
    tx: &mut TenantTx,
    shop: ShopId,
    after: Option<SkuId>,
    limit: i64,
) -> Result<Vec<SkuRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT s.id, s.product_id AS product, s.shop_id AS shop, p.goods_id, s.platform_sku_id, s.outer_id,
                   p.name AS goods_name, s.spec, p.goods_type, p.delivery_type, s.on_sale, m.delivery_method
              FROM skus s
              JOIN products p ON p.id = s.product_id AND p.merchant_id = s.merchant_id
              LEFT JOIN sku_mappings m ON m.sku_id = s.id AND m.merchant_id = s.merchant_id
             WHERE s.merchant_id = $1 AND s.shop_id = $2 AND s.id > $3 ORDER BY s.id LIMIT $4")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<SqlUuid, _>(after.map_or_else(Uuid::nil, SkuId::as_uuid))
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Reads a SKU.
///
/// # Errors
/// [`StoreError::NotFound`] for a SKU of another merchant.
pub async fn fetch_sku(tx: &mut TenantTx, sku: SkuId) -> Result<SkuRow, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT s.id, s.product_id AS product, s.shop_id AS shop, p.goods_id, s.platform_sku_id, s.outer_id,
                p.name AS goods_name, s.spec, p.goods_type, p.delivery_type, s.on_sale, m.delivery_method
           FROM skus s
           JOIN products p ON p.id = s.product_id AND p.merchant_id = s.merchant_id
           LEFT JOIN sku_mappings m ON m.sku_id = s.id AND m.merchant_id = s.merchant_id
          WHERE s.merchant_id = $1 AND s.id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("sku"))
}

/// Returns a shop's SKU by the platform's number.
///
/// # Errors
/// When the statement fails.
pub async fn find_sku(tx: &mut TenantTx, shop: ShopId, sku: PlatformSkuId) -> Result<Option<SkuId>, StoreError> {
    #[derive(QueryableByName)]
    struct Found {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        id: SkuId,
    }
    let merchant = tx.merchant();
    let found = sql("SELECT id FROM skus WHERE merchant_id = $1 AND shop_id = $2 AND platform_sku_id = $3")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<BigInt, _>(sku.0)
        .get_result::<Found>(tx.conn()?)
        .await
        .optional()?;
    Ok(found.map(|row| row.id))
}

/// Says what is done with orders of a SKU, replacing what was said before.
///
/// # Errors
/// Constraint `sku_mappings_pool_where_needed` refuses a pool that the method does not use, or the lack of one.
pub async fn upsert_mapping(tx: &mut TenantTx, new: &NewMapping, at: DateTime<Utc>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let (method, pool, redemption, cards_per_unit) = match &new.handling {
        Handling::Skip => ("skip", None, RedemptionMethod::None, 1),
        Handling::Deliver { method, pool, redemption, cards_per_unit } => {
            (method.as_str(), *pool, *redemption, *cards_per_unit)
        }
    };
    sql("INSERT INTO sku_mappings AS m (id, merchant_id, sku_id, delivery_method, pool_id, redemption_method,
                                        cards_per_unit, settings, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
         ON CONFLICT ON CONSTRAINT sku_mappings_once DO UPDATE
            SET delivery_method = excluded.delivery_method, pool_id = excluded.pool_id,
                redemption_method = excluded.redemption_method, cards_per_unit = excluded.cards_per_unit,
                settings = excluded.settings, updated_at = excluded.updated_at,
                top_up_below = CASE WHEN excluded.delivery_method = 'platform_pool' THEN m.top_up_below END,
                top_up_to = CASE WHEN excluded.delivery_method = 'platform_pool' THEN m.top_up_to END
          WHERE m.merchant_id = excluded.merchant_id")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.sku.as_uuid())
    .bind::<Text, _>(method)
    .bind::<Nullable<SqlUuid>, _>(pool.map(PoolId::as_uuid))
    .bind::<Text, _>(redemption.as_str())
    .bind::<Integer, _>(cards_per_unit)
    .bind::<Jsonb, _>(&new.settings)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Takes back what was said about a SKU: its next orders ask for a mapping.
///
/// # Errors
/// When the statement fails.
pub async fn delete_mapping(tx: &mut TenantTx, sku: SkuId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM sku_mappings WHERE merchant_id = $1 AND sku_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(sku.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Sends the orders of a SKU whose hand-over has not begun back to where a mapping is asked for: they are decided about
/// anew, with the new pool and method. Returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn undecide_orders(tx: &mut TenantTx, sku: SkuId, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    // Locks go order → delivery.
    Ok(sql("WITH concerned AS (
                SELECT o.order_day, o.id, o.shop_id, o.order_sn FROM skus s
                  JOIN orders o ON o.merchant_id = s.merchant_id AND o.shop_id = s.shop_id
                               AND o.platform_sku_id = s.platform_sku_id
                 WHERE s.merchant_id = $1 AND s.id = $2 AND o.order_status = 1
                   AND o.state IN ('seen', 'skipped', 'awaiting_cards')
                   AND NOT EXISTS (SELECT FROM deliveries d WHERE d.merchant_id = $1 AND d.shop_id = o.shop_id
                                      AND d.order_sn = o.order_sn AND d.payload_hash IS NOT NULL)
                 ORDER BY o.order_sn FOR UPDATE OF o
            ), undecided AS (
                UPDATE orders o SET verdict = '',
                       state = CASE o.state WHEN 'awaiting_cards' THEN 'seen' ELSE o.state END,
                       state_cause = CASE o.state WHEN 'awaiting_cards' THEN 'remapped' ELSE o.state_cause END
                  FROM concerned c WHERE o.merchant_id = $1 AND o.order_day = c.order_day AND o.id = c.id
            ), unwaiting AS (
                DELETE FROM stock_waits w USING deliveries d, concerned c
                 WHERE d.merchant_id = $1 AND d.shop_id = c.shop_id AND d.order_sn = c.order_sn
                   AND w.merchant_id = $1 AND w.delivery_id = d.id
            )
            INSERT INTO order_hints AS h (shop_id, order_sn, merchant_id, dirty_since, due_at, source)
            SELECT c.shop_id, c.order_sn, $1, $3, $3, 'person' FROM concerned c ORDER BY c.shop_id, c.order_sn
            ON CONFLICT (shop_id, order_sn) DO UPDATE
               SET dirty_since = greatest(h.dirty_since, excluded.dirty_since), due_at = least(h.due_at, excluded.due_at),
                   tries = 0, source = excluded.source")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?)
}
