//! Exceptions: what needs recovery or a person. At most one open row of a code per order, or per shop.

use diesel::QueryableByName;
use diesel::sql_types::{Array, Bool, Date, Jsonb, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{ExceptionId, ReasonCode, ShopId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::orders::OrderKey;
use crate::sql::sql;
use crate::tx::TenantTx;

/// What is wrong.
#[derive(Debug, Clone)]
pub struct NewException {
    /// In which shop.
    pub shop: ShopId,
    /// With which order, and its number; `None` when the shop itself is concerned.
    pub order: Option<(OrderKey, String)>,
    /// Why.
    pub code: ReasonCode,
    /// Whether only a person can go on.
    pub needs_review: bool,
    /// For people and programs; never secrets or buyer data.
    pub detail: serde_json::Value,
}

/// Opens exceptions; one that is open already stays as it is. Returns how many are new.
///
/// # Errors
/// When the connection is lost.
pub async fn open(tx: &mut TenantTx, news: &[NewException]) -> Result<usize, StoreError> {
    if news.is_empty() {
        return Ok(0);
    }
    let ids: Vec<Uuid> = news.iter().map(|_| ExceptionId::generate().as_uuid()).collect();
    let shops: Vec<Uuid> = news.iter().map(|new| new.shop.as_uuid()).collect();
    let days: Vec<_> = news.iter().map(|new| new.order.as_ref().map(|(key, _)| key.day)).collect();
    let orders: Vec<_> = news.iter().map(|new| new.order.as_ref().map(|(key, _)| key.id.as_uuid())).collect();
    let sns: Vec<&str> = news.iter().map(|new| new.order.as_ref().map_or("", |(_, sn)| sn.as_str())).collect();
    let codes: Vec<&str> = news.iter().map(|new| new.code.as_str()).collect();
    let blocking: Vec<bool> = news.iter().map(|new| new.code.recovery().blocking).collect();
    let review: Vec<bool> = news.iter().map(|new| new.needs_review).collect();
    let details: Vec<&serde_json::Value> = news.iter().map(|new| &new.detail).collect();
    Ok(sql("INSERT INTO exceptions (merchant_id, id, shop_id, order_day, order_id, order_sn, code, blocking, needs_review, detail)
            SELECT $1, i.* FROM unnest($2::uuid[], $3::uuid[], $4::date[], $5::uuid[], $6::text[], $7::text[],
                                       $8::boolean[], $9::boolean[], $10::jsonb[]) AS i
            ON CONFLICT (merchant_id, shop_id, order_sn, code) WHERE resolved_at IS NULL DO NOTHING")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(ids)
    .bind::<Array<SqlUuid>, _>(shops)
    .bind::<Array<Nullable<Date>>, _>(days)
    .bind::<Array<Nullable<SqlUuid>>, _>(orders)
    .bind::<Array<Text>, _>(sns)
    .bind::<Array<Text>, _>(codes)
    .bind::<Array<Bool>, _>(blocking)
    .bind::<Array<Bool>, _>(review)
    .bind::<Array<Jsonb>, _>(details)
    .execute(tx.conn()?)
    .await?)
}

pub(crate) const RESOLVE: &str = "UPDATE exceptions SET resolved_at = now(), resolution = $5
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND code = ANY ($4) AND resolved_at IS NULL";

/// Resolves the open exceptions of orders that carry one of the codes. Index exceptions_one_open.
///
/// # Errors
/// When the connection is lost.
pub async fn resolve(
    tx: &TenantTx,
    shop: ShopId,
    sns: &[&str],
    codes: &[ReasonCode],
    resolution: &str,
) -> Result<usize, StoreError> {
    if sns.is_empty() {
        return Ok(0);
    }
    let codes: Vec<&str> = codes.iter().map(|code| code.as_str()).collect();
    Ok(sql(RESOLVE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<SqlUuid, _>(shop.as_uuid())
        .bind::<Array<Text>, _>(sns.to_vec())
        .bind::<Array<Text>, _>(codes)
        .bind::<Text, _>(resolution)
        .execute(&mut tx.shared()?)
        .await?)
}

/// An open exception of an order or a shop.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct OpenException {
    #[diesel(sql_type = Text)]
    pub order_sn: String,
    #[diesel(sql_type = Text)]
    pub code: String,
    #[diesel(sql_type = Bool)]
    pub blocking: bool,
    #[diesel(sql_type = Bool)]
    pub needs_review: bool,
    #[diesel(sql_type = Jsonb)]
    pub detail: serde_json::Value,
}

/// Lists what is open about orders of a shop; the empty number stands for the shop itself.
///
/// # Errors
/// When the connection is lost.
pub async fn list_open(tx: &mut TenantTx, shop: ShopId, sns: &[&str]) -> Result<Vec<OpenException>, StoreError> {
    Ok(sql("SELECT order_sn, code, blocking, needs_review, detail FROM exceptions
             WHERE merchant_id = $1 AND shop_id = $2 AND order_sn = ANY ($3) AND resolved_at IS NULL ORDER BY opened_at")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<SqlUuid, _>(shop.as_uuid())
    .bind::<Array<Text>, _>(sns.to_vec())
    .load(tx.conn()?)
    .await?)
}
