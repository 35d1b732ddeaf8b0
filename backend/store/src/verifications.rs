//! Identity checks of a merchant: one row per submission, the latest counts.

use chrono::{DateTime, Utc};
use diesel::sql_types::{BigInt, Bool, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, MerchantId, SecretBytes, VerificationId};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::{SystemTx, TenantTx};

/// Place of what was submitted; the row is the verification.
pub const SUBJECT: &str = "verifications.subject_sealed";

/// A submission; what it is about is sealed here.
#[derive(Debug)]
pub struct NewVerification<'a> {
    /// Its id.
    pub id: VerificationId,
    /// `person` or `company`.
    pub kind: &'a str,
    /// Name, number and legal representative, as one text.
    pub subject: &'a SecretBytes,
    /// The number's last four characters.
    pub last4: &'a str,
    /// The number's hash under the platform's key.
    pub number_hash: [u8; 32],
    /// Who submitted.
    pub submitted_by: &'a str,
    /// When.
    pub submitted_at: DateTime<Utc>,
}

/// A submission and what became of it; its subject is still sealed.
#[derive(Debug, Clone, QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct VerificationRow {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub id: VerificationId,
    #[diesel(sql_type = Text)]
    pub kind: String,
    #[diesel(sql_type = Text)]
    pub state: String,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub data_key_id: DataKeyId,
    #[diesel(sql_type = Bytea)]
    pub subject_sealed: Vec<u8>,
    #[diesel(sql_type = Text)]
    pub last4: String,
    #[diesel(sql_type = Bytea)]
    pub number_hash: Vec<u8>,
    #[diesel(sql_type = Timestamptz)]
    pub submitted_at: DateTime<Utc>,
    #[diesel(sql_type = Text)]
    pub submitted_by: String,
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub claimed_by: Option<Uuid>,
    #[diesel(sql_type = Nullable<Text>)]
    pub claimed_name: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub claimed_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub merchants_with_number: Option<i64>,
    #[diesel(sql_type = Nullable<Text>)]
    pub decided_name: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub decided_at: Option<DateTime<Utc>>,
    #[diesel(sql_type = Text)]
    pub reason: String,
    #[diesel(sql_type = Nullable<Text>)]
    pub asked_again: Option<String>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub renew_by: Option<DateTime<Utc>>,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub destroyed_at: Option<DateTime<Utc>>,
}

macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, kind, state, data_key_id, subject_sealed, last4, number_hash, submitted_at, submitted_by,
                    claimed_by, claimed_name, claimed_at, merchants_with_number, decided_name, decided_at, reason, asked_again, renew_by, destroyed_at
               FROM verifications WHERE merchant_id = $1 ",
            $rest
        )
    };
}

/// Inserts a submission.
///
/// # Errors
/// Constraint `verifications_one_open` refuses a second one while the first is not decided.
pub async fn insert(tx: &mut TenantTx, new: &NewVerification<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    let key = tx.data_key().await?;
    let subject = key.seal(SUBJECT, new.id.as_uuid(), new.subject.expose())?;
    sql("INSERT INTO verifications (id, merchant_id, kind, data_key_id, subject_sealed, last4, number_hash, submitted_by, submitted_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(new.kind)
    .bind::<SqlUuid, _>(key.id().as_uuid())
    .bind::<Bytea, _>(subject)
    .bind::<Text, _>(new.last4)
    .bind::<Bytea, _>(new.number_hash.to_vec())
    .bind::<Text, _>(new.submitted_by)
    .bind::<Timestamptz, _>(new.submitted_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists the merchant's submissions, the latest first. Index verifications_of_merchant.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, limit: i64) -> Result<Vec<VerificationRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(select!("ORDER BY submitted_at DESC, id DESC LIMIT $2"))
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<BigInt, _>(limit)
        .load(tx.conn()?)
        .await?)
}

/// Returns the merchant's latest approval, if there is one, and keeps it so until the transaction ends.
///
/// # Errors
/// When the statement fails.
pub async fn find_approved(tx: &mut TenantTx) -> Result<Option<VerificationRow>, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(select!("AND state = 'approved' ORDER BY submitted_at DESC, id DESC LIMIT 1 FOR SHARE"))
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?)
}

/// Locks a submission and reads it.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's.
pub async fn lock(tx: &mut TenantTx, id: VerificationId) -> Result<VerificationRow, StoreError> {
    let merchant = tx.merchant();
    sql(select!("AND id = $2 FOR NO KEY UPDATE"))
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .get_result(tx.conn()?)
        .await
        .optional()?
        .ok_or(StoreError::NotFound("verification"))
}

/// Who of the staff acts.
#[derive(Debug, Clone, Copy)]
pub struct Staff<'a> {
    /// Who.
    pub id: Uuid,
    /// As the merchant is told.
    pub name: &'a str,
}

/// Gives a submission to a reviewer.
///
/// # Errors
/// When the statement fails.
pub async fn update_claimed(
    tx: &mut TenantTx,
    id: VerificationId,
    by: Staff<'_>,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE verifications SET claimed_by = $3, claimed_name = $4, claimed_at = $5
          WHERE merchant_id = $1 AND id = $2 AND state = 'submitted'")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<SqlUuid, _>(by.id)
    .bind::<Text, _>(by.name)
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// A decision; without a reviewer nobody looked.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// Whether it is approved.
    pub approved: bool,
    /// Why not, for the merchant; empty for an approval.
    pub reason: &'a str,
    /// Who decided.
    pub by: Option<Staff<'a>>,
    /// When.
    pub at: DateTime<Utc>,
}

/// Decides about a submission, and keeps in how many merchants its number stands by then; `false` when it is decided.
///
/// # Errors
/// When the statement fails.
pub async fn update_decided(
    tx: &mut TenantTx,
    id: VerificationId,
    decision: &Decision<'_>,
) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let decided =
        sql("UPDATE verifications SET state = $3, reason = $4, decided_by = $5, decided_name = $6, decided_at = $7,
                merchants_with_number = system_count_identity(number_hash)
          WHERE merchant_id = $1 AND id = $2 AND state = 'submitted'")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<Text, _>(if decision.approved { "approved" } else { "rejected" })
        .bind::<Text, _>(decision.reason)
        .bind::<Nullable<SqlUuid>, _>(decision.by.map(|by| by.id))
        .bind::<Nullable<Text>, _>(decision.by.map(|by| by.name.to_owned()))
        .bind::<Timestamptz, _>(decision.at)
        .execute(tx.conn()?)
        .await?;
    Ok(decided == 1)
}

/// Returns whether a reviewer has had an identity of the merchant open, which shows its number.
///
/// # Errors
/// When the statement fails.
pub async fn exists_claimed_by(tx: &mut TenantTx, reviewer: Uuid) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Known {
        #[diesel(sql_type = Bool)]
        known: bool,
    }
    let merchant = tx.merchant();
    let row: Known =
        sql("SELECT EXISTS (SELECT FROM verifications WHERE merchant_id = $1 AND claimed_by = $2) AS known")
            .bind::<SqlUuid, _>(merchant.as_uuid())
            .bind::<SqlUuid, _>(reviewer)
            .get_result(tx.conn()?)
            .await?;
    Ok(row.known)
}

/// Marks the latest approval as one of somebody else, and a submission that waits for its decision with it: it was made before.
/// Returns until when running shops go on, `None` where there is neither. Asked twice, the first end stays.
///
/// # Errors
/// When the statement fails.
pub async fn update_asked_again(
    tx: &mut TenantTx,
    cause: &str,
    renew_by: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, StoreError> {
    #[derive(QueryableByName)]
    struct Asked {
        #[diesel(sql_type = Timestamptz)]
        renew_by: DateTime<Utc>,
    }
    let merchant = tx.merchant();
    let asked: Vec<Asked> = sql("UPDATE verifications
            SET asked_again = coalesce(asked_again, $2), renew_by = coalesce(renew_by, $3)
          WHERE merchant_id = $1
            AND (state = 'submitted'
                 OR id = (SELECT id FROM verifications
                           WHERE merchant_id = $1 AND state = 'approved' ORDER BY submitted_at DESC, id DESC LIMIT 1))
         RETURNING renew_by")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(cause)
    .bind::<Timestamptz, _>(renew_by)
    .load(tx.conn()?)
    .await?;
    Ok(asked.into_iter().map(|asked| asked.renew_by).min())
}

/// Destroys what was submitted, and the pictures; what it was about can be told by the last four characters only.
/// Does nothing before the decision, or a second time.
///
/// # Errors
/// When the statement fails.
pub async fn update_destroyed(tx: &mut TenantTx, id: VerificationId, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let destroyed = sql("UPDATE verifications SET subject_sealed = '', destroyed_at = $3
          WHERE merchant_id = $1 AND id = $2 AND decided_at IS NOT NULL AND destroyed_at IS NULL")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    if destroyed == 0 {
        return Ok(false);
    }
    sql("UPDATE verification_pictures SET picture_sealed = '' WHERE merchant_id = $1 AND verification_id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(true)
}

/// A case of the staff's queue.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct QueuedVerification {
    /// Whose.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Which.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub verification: VerificationId,
    /// `person` or `company`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The number's last four characters.
    #[diesel(sql_type = Text)]
    pub last4: String,
    /// Since when it waits.
    #[diesel(sql_type = Timestamptz)]
    pub submitted_at: DateTime<Utc>,
    /// Who has it.
    #[diesel(sql_type = Nullable<SqlUuid>)]
    pub claimed_by: Option<Uuid>,
    /// By name.
    #[diesel(sql_type = Nullable<Text>)]
    pub claimed_name: Option<String>,
    /// Since when.
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub claimed_at: Option<DateTime<Utc>>,
    /// In how many merchants the number stands, this one among them.
    #[diesel(sql_type = BigInt)]
    pub merchants_with_number: i64,
}

/// Lists submissions of all merchants that wait for a decision, the oldest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_queue(tx: &mut SystemTx, limit: i32) -> Result<Vec<QueuedVerification>, StoreError> {
    Ok(sql("SELECT merchant_id AS merchant, verification_id AS verification, kind, last4, submitted_at, claimed_by,
                   claimed_name, claimed_at, merchants_with_number
              FROM system_verification_queue($1)")
    .bind::<Integer, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// A case that was decided.
#[derive(Debug, Clone, PartialEq, Eq, QueryableByName)]
pub struct DecidedVerification {
    /// Whose.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub merchant: MerchantId,
    /// Which.
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    pub verification: VerificationId,
    /// `person` or `company`.
    #[diesel(sql_type = Text)]
    pub kind: String,
    /// The number's last four characters.
    #[diesel(sql_type = Text)]
    pub last4: String,
    /// `approved` or `rejected`.
    #[diesel(sql_type = Text)]
    pub state: String,
    /// Who decided; nobody where a demonstration did.
    #[diesel(sql_type = Nullable<Text>)]
    pub decided_name: Option<String>,
    /// When.
    #[diesel(sql_type = Timestamptz)]
    pub decided_at: DateTime<Utc>,
    /// Why it was rejected.
    #[diesel(sql_type = Text)]
    pub reason: String,
    /// In how many merchants the number stood then.
    #[diesel(sql_type = Nullable<BigInt>)]
    pub merchants_with_number: Option<i64>,
}

/// Lists decided submissions of all merchants, the latest first.
///
/// # Errors
/// When the statement fails.
pub async fn list_decisions(tx: &mut SystemTx, limit: i32) -> Result<Vec<DecidedVerification>, StoreError> {
    Ok(sql(
        "SELECT merchant_id AS merchant, verification_id AS verification, kind, last4, state, decided_name, decided_at,
                   reason, merchants_with_number
              FROM system_verification_decisions($1)",
    )
    .bind::<Integer, _>(limit)
    .load(tx.conn()?)
    .await?)
}

/// Returns in how many merchants a number stands, submitted or approved.
///
/// # Errors
/// When the statement fails.
pub async fn count_merchants(tx: &mut SystemTx, number_hash: &[u8]) -> Result<i64, StoreError> {
    #[derive(QueryableByName)]
    struct Count {
        #[diesel(sql_type = BigInt)]
        n: i64,
    }
    let row: Count = sql("SELECT system_count_identity($1) AS n")
        .bind::<Bytea, _>(number_hash.to_vec())
        .get_result(tx.conn()?)
        .await?;
    Ok(row.n)
}

/// Lists the other merchants who have had a number that stands in a case of this one.
///
/// # Errors
/// When the statement fails.
pub async fn list_merchants_of_identity(
    tx: &mut SystemTx,
    merchant: MerchantId,
) -> Result<Vec<MerchantId>, StoreError> {
    #[derive(QueryableByName)]
    struct Other {
        #[diesel(sql_type = SqlUuid)]
        merchant: Uuid,
    }
    let rows: Vec<Other> = sql("SELECT merchant FROM system_merchants_of_identity($1) AS merchant")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .get_results(tx.conn()?)
        .await?;
    Ok(rows.into_iter().map(|row| MerchantId::from_uuid(row.merchant)).collect())
}
