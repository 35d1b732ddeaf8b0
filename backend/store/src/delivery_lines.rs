//! Lines of deliveries: what exactly an order gets.

use diesel::QueryableByName;
use diesel::sql_types::{Array, Bytea, Integer, Nullable, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{CardUseId, DataKeyId, DeliveryId, LineId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// A line to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewLine {
    /// Its id.
    pub id: LineId,
    /// Of which delivery.
    pub delivery: DeliveryId,
    /// From 1.
    pub line_no: i32,
    /// The card use it holds, if the method claims cards.
    pub card_use: Option<CardUseId>,
}

/// Inserts lines.
///
/// # Errors
/// When a card use is held by another live line, or a place in the delivery is taken.
pub async fn insert(tx: &TenantTx, lines: &[NewLine]) -> Result<(), StoreError> {
    if lines.is_empty() {
        return Ok(());
    }
    sql("INSERT INTO delivery_lines (merchant_id, item_no, id, delivery_id, line_no, card_use_id)
         SELECT $1, 1, i.* FROM unnest($2::uuid[], $3::uuid[], $4::integer[], $5::uuid[]) AS i")
    .bind::<SqlUuid, _>(tx.merchant().as_uuid())
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|line| line.id.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<SqlUuid>, _>(lines.iter().map(|line| line.delivery.as_uuid()).collect::<Vec<_>>())
    .bind::<Array<Integer>, _>(lines.iter().map(|line| line.line_no).collect::<Vec<_>>())
    .bind::<Array<Nullable<SqlUuid>>, _>(
        lines.iter().map(|line| line.card_use.map(CardUseId::as_uuid)).collect::<Vec<_>>(),
    )
    .execute(&mut tx.shared()?)
    .await?;
    Ok(())
}

/// A live line with its card, sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct LiveLine {
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    pub delivery_id: Uuid,
    #[diesel(sql_type = Integer)]
    pub line_no: i32,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub card_use_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub card_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    data_key_id: Option<Uuid>,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub number_sealed: Option<Vec<u8>>,
    #[diesel(sql_type = Nullable<Bytea>)]
    pub secret_sealed: Option<Vec<u8>>,
}

impl LiveLine {
    /// Returns the key that seals the card.
    #[must_use]
    pub fn data_key(&self) -> Option<DataKeyId> {
        self.data_key_id.map(DataKeyId::from_uuid)
    }
}

pub(crate) const LIST_LIVE: &str =
    "SELECT l.id, l.delivery_id, l.line_no, l.card_use_id, c.id AS card_id, c.data_key_id, c.number_sealed,
                   c.secret_sealed
              FROM delivery_lines l
              LEFT JOIN card_uses u ON u.id = l.card_use_id AND u.merchant_id = l.merchant_id
              LEFT JOIN cards c ON c.id = u.card_id AND c.merchant_id = l.merchant_id
             WHERE l.merchant_id = $1 AND l.delivery_id = ANY ($2) AND l.live ORDER BY l.delivery_id, l.line_no";

/// Lists the live lines of deliveries with their cards, by delivery and line number.
///
/// # Errors
/// When the connection is lost.
pub async fn list_live(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<Vec<LiveLine>, StoreError> {
    Ok(sql(LIST_LIVE)
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .load(tx.conn()?)
        .await?)
}

/// Ends the lines of deliveries that give their cards up; the rows stay as history.
///
/// # Errors
/// When the connection is lost.
pub async fn end(tx: &mut TenantTx, deliveries: &[DeliveryId]) -> Result<usize, StoreError> {
    Ok(sql("UPDATE delivery_lines SET live = false WHERE merchant_id = $1 AND delivery_id = ANY ($2) AND live")
        .bind::<SqlUuid, _>(tx.merchant().as_uuid())
        .bind::<Array<SqlUuid>, _>(deliveries.iter().map(|id| id.as_uuid()).collect::<Vec<_>>())
        .execute(tx.conn()?)
        .await?)
}
