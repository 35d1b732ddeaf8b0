//! Pictures of identity documents, and who of the staff looked at them.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bytea, SmallInt, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, SecretBytes, VerificationId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;
use crate::verifications::Staff;

/// Place of a picture; the row is the picture.
pub const PICTURE: &str = "verification_pictures.picture_sealed";

/// A picture; sealed here.
#[derive(Debug)]
pub struct NewPicture<'a> {
    /// Of which submission.
    pub verification: VerificationId,
    /// 1 or 2.
    pub position: i16,
    /// `image/jpeg` or `image/png`.
    pub media_type: &'a str,
    /// The file.
    pub picture: &'a SecretBytes,
}

/// Inserts a picture.
///
/// # Errors
/// Constraint `verification_pictures_once` refuses a second one of a position.
pub async fn insert(tx: &mut TenantTx, new: &NewPicture<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let id = Uuid::now_v7();
    let sealed = key.seal(PICTURE, id, new.picture.expose())?;
    sql("INSERT INTO verification_pictures (id, merchant_id, verification_id, position, media_type, data_key_id, picture_sealed)
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind::<SqlUuid, _>(id)
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(new.verification.as_uuid())
    .bind::<SmallInt, _>(new.position)
    .bind::<Text, _>(new.media_type)
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(sealed)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// A picture, still sealed; empty when it is destroyed.
#[derive(Debug, Clone, QueryableByName)]
pub struct PictureRow {
    /// Its id.
    #[diesel(sql_type = SqlUuid)]
    pub id: Uuid,
    /// `image/jpeg` or `image/png`.
    #[diesel(sql_type = Text)]
    pub media_type: String,
    /// The key that seals it.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key_id: DataKeyId,
    /// Sealed for [`PICTURE`] and this id.
    #[diesel(sql_type = Bytea)]
    pub picture_sealed: Vec<u8>,
}

/// Returns a submission's picture, if there is one.
///
/// # Errors
/// When the statement fails.
pub async fn find(
    tx: &mut TenantTx,
    verification: VerificationId,
    position: i16,
) -> Result<Option<PictureRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT id, media_type, data_key_id, picture_sealed FROM verification_pictures
             WHERE merchant_id = $1 AND verification_id = $2 AND position = $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(verification.as_uuid())
    .bind::<SmallInt, _>(position)
    .get_result(tx.conn()?)
    .await
    .optional()?)
}

/// Counts the pictures of a submission.
///
/// # Errors
/// When the statement fails.
pub async fn count(tx: &mut TenantTx, verification: VerificationId) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let merchant = tx.merchant();
    let row: Count =
        sql("SELECT count(*) AS n FROM verification_pictures WHERE merchant_id = $1 AND verification_id = $2")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(verification.as_uuid())
            .get_result(tx.conn()?)
            .await?;
    Ok(row.n)
}

/// A look of the staff at a picture.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct LookRow {
    /// Of which submission.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub verification: VerificationId,
    /// Which picture.
    #[diesel(sql_type = SmallInt)]
    pub position: i16,
    /// Who looked.
    #[diesel(sql_type = Text)]
    pub reviewer_name: String,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub at: DateTime<Utc>,
}

/// Writes down that somebody is about to see a picture.
///
/// # Errors
/// When the statement fails.
pub async fn insert_look(
    tx: &mut TenantTx,
    verification: VerificationId,
    position: i16,
    by: Staff<'_>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO verification_looks (id, merchant_id, verification_id, position, reviewer, reviewer_name, at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)")
    .bind::<SqlUuid, _>(Uuid::now_v7())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(verification.as_uuid())
    .bind::<SmallInt, _>(position)
    .bind::<SqlUuid, _>(by.id)
    .bind::<Text, _>(by.name)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists who looked at the merchant's pictures before a moment, the latest first. Index verification_looks_of_merchant.
///
/// # Errors
/// When the statement fails.
pub async fn list_looks(tx: &mut TenantTx, before: DateTime<Utc>, limit: i64) -> Result<Vec<LookRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("SELECT verification_id AS verification, position, reviewer_name, at FROM verification_looks
             WHERE merchant_id = $1 AND at < $2 ORDER BY at DESC, id DESC LIMIT $3")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(before)
    .bind::<BigInt, _>(limit)
    .load(tx.conn()?)
    .await?)
}
