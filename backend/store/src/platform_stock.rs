//! Cards that lie in the platform's own stock, how much of it is to be there, and the lines of orders served from it.

use diesel::sql_types::{Array, BigInt, Bool, Bytea, Integer, Nullable, Text, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardId, CardUseId, DataKeyId, DeliveryId, LineId, PoolId, SkuId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::platform_uploads::OwnedSku;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};

/// Place of a sealed code that the platform made; the row is the line.
pub const PLATFORM_CODE: &str = "delivery_lines.platform_code_sealed";

/// A card in the platform's stock, sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct StockedCard {
    #[diesel(sql_type = SqlUuid)]
    use_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    card_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    data_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub number_sealed: Vec<u8>,
    #[diesel(sql_type = Bytea)]
    pub number_hash: Vec<u8>,
}

impl StockedCard {
    /// Returns the use.
    #[must_use]
    pub const fn card_use(&self) -> CardUseId {
        CardUseId::from_uuid(self.use_id)
    }

    /// Returns the card.
    #[must_use]
    pub const fn card(&self) -> CardId {
        CardId::from_uuid(self.card_id)
    }

    /// Returns the key that seals it.
    #[must_use]
    pub const fn data_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.data_key_id)
    }
}

/// Lists uses of a pool that lie in the platform's stock and that no live line holds.
///
/// # Errors
/// When the connection is lost.
pub async fn list(tx: &mut TenantTx, pool: PoolId, limit: i64) -> Result<Vec<StockedCard>, StoreError> {
    Ok(sql("SELECT u.id AS use_id, c.id AS card_id, c.data_key_id, c.number_sealed, c.number_hash
              FROM card_uses u JOIN cards c ON c.id = u.card_id AND c.merchant_id = u.merchant_id
             WHERE u.merchant_id = $1 AND u.pool_id = $2 AND u.state = 'at_platform'
               AND NOT EXISTS (SELECT FROM delivery_lines l WHERE l.card_use_id = u.id AND l.merchant_id = $1 AND l.live)
             ORDER BY u.id LIMIT $3")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Lists the uses of a pool in the platform's stock whose numbers have these hashes. Index cards_number_once.
///
/// # Errors
/// When the connection is lost.
pub async fn list_by_hash(
    tx: &mut TenantTx,
    pool: PoolId,
    hashes: &[[u8; 32]],
) -> Result<Vec<StockedCard>, StoreError> {
    Ok(sql("SELECT u.id AS use_id, c.id AS card_id, c.data_key_id, c.number_sealed, c.number_hash
              FROM cards c JOIN card_uses u ON u.card_id = c.id AND u.merchant_id = c.merchant_id
             WHERE c.merchant_id = $1 AND c.hash_version = 1 AND c.number_hash = ANY ($3)
               AND u.pool_id = $2 AND u.state = 'at_platform'
               AND NOT EXISTS (SELECT FROM delivery_lines l WHERE l.card_use_id = u.id AND l.merchant_id = $1 AND l.live)
             ORDER BY u.id")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(pool.as_uuid())
    .bind::<Array<Bytea>, _>(hashes.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>())
    .load(tx.conn()?)
    .await?)
}

/// A line of an order that the platform served.
#[derive(Debug, Clone)]
pub struct LinkedLine {
    /// Its id.
    pub id: LineId,
    /// From 1.
    pub line_no: i32,
    /// Our card, if it could be told.
    pub card_use: Option<CardUseId>,
    /// The platform's own code, sealed with the key, if it could be read.
    pub code: Option<(DataKeyId, Vec<u8>)>,
}

/// Inserts the lines of a delivery that the platform served.
///
/// # Errors
/// When a card is held by another live line.
pub async fn insert_lines(tx: &mut TenantTx, delivery: DeliveryId, lines: &[LinkedLine]) -> Result<(), StoreError> {
    sql("INSERT INTO delivery_lines (merchant_id, delivery_id, item_no, id, line_no, card_use_id, data_key_id, platform_code_sealed)
         SELECT $1, $2, 1, i.* FROM unnest($3::uuid[], $4::integer[], $5::uuid[], $6::uuid[], $7::bytea[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(delivery.as_uuid())
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|line| line.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(lines.iter().map(|line| line.line_no).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(
        lines.iter().map(|line| line.card_use.map(CardUseId::as_uuid)).collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<SqlUuid>>, _>(
        lines.iter().map(|line| line.code.as_ref().map(|(key, _)| key.as_uuid())).collect::<Vec<_>>(),
    )
    .bind::<Array<Nullable<Bytea>>, _>(
        lines.iter().map(|line| line.code.as_ref().map(|(_, sealed)| sealed.as_slice())).collect::<Vec<_>>(),
    )
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// How much of a SKU is to lie in the platform's stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopUp {
    /// With fewer cards than these, more are imported.
    pub below: i32,
    /// Up to so many.
    pub to: i32,
}

/// Says how much of a SKU is to lie in the platform's stock; `None`: a person imports. Returns whether the SKU is mapped to
/// `platform_pool`; what is mapped otherwise stays as it is.
///
/// # Errors
/// Constraint `sku_mappings_top_up` refuses amounts that make no sense.
pub async fn update_top_up(tx: &mut TenantTx, sku: SkuId, top_up: Option<TopUp>) -> Result<bool, StoreError> {
    let updated = sql("UPDATE sku_mappings SET top_up_below = $3, top_up_to = $4
                        WHERE merchant_id = $1 AND sku_id = $2 AND delivery_method = 'platform_pool'")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .bind::<Nullable<Integer>, _>(top_up.map(|top_up| top_up.below))
    .bind::<Nullable<Integer>, _>(top_up.map(|top_up| top_up.to))
    .execute(tx.conn()?)
    .await?;
    Ok(updated == 1)
}

/// Returns from when on and up to how many cards the stock of a SKU is filled up by itself.
///
/// # Errors
/// When the statement fails.
pub async fn find_top_up(tx: &mut TenantTx, sku: SkuId) -> Result<Option<TopUp>, StoreError> {
    #[derive(QueryableByName)]
    struct Set {
        #[diesel(sql_type = Integer)]
        below: i32,
        #[diesel(sql_type = Integer)]
        to: i32,
    }
    let set: Option<Set> = sql("SELECT top_up_below AS below, top_up_to AS to FROM sku_mappings
                                 WHERE merchant_id = $1 AND sku_id = $2 AND top_up_below IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?;
    Ok(set.map(|Set { below, to }| TopUp { below, to }))
}

/// What there is and what there is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, QueryableByName)]
pub struct StockLevel {
    /// With fewer cards than these, more are imported.
    #[diesel(sql_type = Integer)]
    pub below: i32,
    /// Up to so many.
    #[diesel(sql_type = Integer)]
    pub to: i32,
    /// Cards that the platform may still hand out, as far as we know: see `platform_stock` in the schema.
    #[diesel(sql_type = BigInt)]
    pub stock: i64,
    /// Whether an import into the shop's stock has an unknown outcome.
    #[diesel(sql_type = Bool)]
    pub unknown: bool,
}

/// Reads the level of a SKU whose stock is filled up by itself. Indexes sku_mappings_once, card_uses_at_platform.
///
/// # Errors
/// When the statement fails.
pub async fn find_level(tx: &mut TenantTx, sku: SkuId) -> Result<Option<StockLevel>, StoreError> {
    Ok(sql("SELECT m.top_up_below AS below, m.top_up_to AS to, platform_stock($1, m.sku_id, m.pool_id) AS stock,
                   EXISTS (SELECT FROM exceptions e
                            WHERE e.merchant_id = $1 AND e.code = 'upload_unknown' AND e.shop_id = k.shop_id
                              AND e.resolved_at IS NULL) AS unknown
              FROM sku_mappings m JOIN skus k ON k.id = m.sku_id AND k.merchant_id = m.merchant_id
             WHERE m.merchant_id = $1 AND m.sku_id = $2 AND m.top_up_below IS NOT NULL")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(sku.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Lists the SKUs of all merchants whose platform stock is low and has no job of this name, at most `limit`.
///
/// # Errors
/// When the statement fails.
pub async fn list_low(tx: &mut SystemTx, job_name: &str, limit: i32) -> Result<Vec<OwnedSku>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, sku_id AS sku FROM system_low_platform_stock($1, $2)")
        .bind::<Text, _>(job_name)
        .bind::<Integer, _>(limit)
        .load(tx.conn()?)
        .await?)
}
