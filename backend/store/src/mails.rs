//! Mails that are not sent yet. All of a mail is sealed: whoever reads the table finds no address and no link.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Bytea, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, MailId, SecretBytes};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// What a mail's contents are sealed for.
pub const MAIL: &str = "mails.contents_sealed";

/// A mail, opened.
#[derive(Debug, Clone)]
pub struct MailRow {
    /// To whom, what, with which link.
    pub contents: SecretBytes,
    /// From then on it says nothing worth reading.
    pub expires_at: DateTime<Utc>,
}

/// Stores a mail; sealed here.
///
/// # Errors
/// When the contents cannot be sealed.
pub async fn insert(
    tx: &mut TenantTx,
    id: MailId,
    contents: &SecretBytes,
    at: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let sealed = key.seal(MAIL, id.as_uuid(), contents.expose())?;
    sql("INSERT INTO mails (id, merchant_id, data_key_id, contents_sealed, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6)")
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .bind::<Timestamptz, _>(at)
    .bind::<Timestamptz, _>(expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Reads and opens a mail; one that is gone was sent.
///
/// # Errors
/// When the contents do not open.
pub async fn find(tx: &mut TenantTx, id: MailId) -> Result<Option<MailRow>, StoreError> {
    #[derive(QueryableByName)]
    struct Read {
        #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
        data_key_id: DataKeyId,
        #[diesel(sql_type = Bytea)]
        contents_sealed: Vec<u8>,
        #[diesel(sql_type = Timestamptz)]
        expires_at: DateTime<Utc>,
    }
    let merchant = tx.merchant();
    let found: Option<Read> = sql("SELECT data_key_id, contents_sealed, expires_at FROM mails
                                    WHERE merchant_id = $1 AND id = $2")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?;
    let Some(row) = found else { return Ok(None) };
    let key = tx.data_key_by_id(row.data_key_id).await?;
    let contents = key.open(MAIL, id.as_uuid(), &row.contents_sealed)?;
    Ok(Some(MailRow { contents, expires_at: row.expires_at }))
}

/// Deletes a mail that was sent, or that nobody needs any more.
///
/// # Errors
/// When the statement fails.
pub async fn delete(tx: &mut TenantTx, id: MailId) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM mails WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}
