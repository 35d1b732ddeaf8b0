//! Invitations: a seat for whoever holds the token, once.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, Bool, Bytea, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{EmailAddress, InvitationId, Role, ShopScope, UserId};
use uuid::Uuid;

use crate::accounts::lookup::{named, scope};
use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// An invitation to store.
#[derive(Debug, Clone, Copy)]
pub struct NewInvitation<'a> {
    /// Its id.
    pub id: InvitationId,
    /// Whom it is mailed to; nobody for a link that is handed over otherwise.
    pub email: Option<&'a EmailAddress>,
    /// What the new member will be.
    pub role: Role,
    /// Which shops the new member will see.
    pub shops: &'a ShopScope,
    /// SHA-256 of the token.
    pub token_hash: &'a [u8; 32],
    /// Who invites.
    pub invited_by: UserId,
    /// Now.
    pub at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

/// An invitation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationRow {
    /// Its id.
    pub id: InvitationId,
    /// Whom it was mailed to.
    pub email: Option<String>,
    /// What the new member will be.
    pub role: Role,
    /// Which shops the new member will see.
    pub shops: ShopScope,
    /// Who invites.
    pub invited_by: UserId,
    /// Since when.
    pub created_at: DateTime<Utc>,
    /// Good until then.
    pub expires_at: DateTime<Utc>,
}

#[derive(QueryableByName)]
struct Read {
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    id: InvitationId,
    #[diesel(sql_type = Nullable<Text>)]
    email: Option<String>,
    #[diesel(sql_type = Text)]
    role: String,
    #[diesel(sql_type = Bool)]
    all_shops: bool,
    #[diesel(sql_type = Array<SqlUuid>)]
    shops: Vec<Uuid>,
    #[diesel(sql_type = SqlUuid, deserialize_as = Uuid)]
    invited_by: UserId,
    #[diesel(sql_type = Timestamptz)]
    created_at: DateTime<Utc>,
    #[diesel(sql_type = Timestamptz)]
    expires_at: DateTime<Utc>,
}

impl TryFrom<Read> for InvitationRow {
    type Error = StoreError;

    fn try_from(row: Read) -> Result<Self, Self::Error> {
        Ok(Self {
            id: row.id,
            email: row.email,
            role: parsed(&row.role)?,
            shops: scope(row.all_shops, row.shops),
            invited_by: row.invited_by,
            created_at: row.created_at,
            expires_at: row.expires_at,
        })
    }
}

/// Stores an invitation.
///
/// # Errors
/// A constraint refuses a leader who is limited to shops.
pub async fn insert(tx: &mut TenantTx, new: &NewInvitation<'_>) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("INSERT INTO invitations (id, merchant_id, email, role, all_shops, shops, token_hash, invited_by, created_at,
                                  expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
    .bind::<SqlUuid, _>(new.id.as_uuid())
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Nullable<Text>, _>(new.email.map(EmailAddress::as_str))
    .bind::<Text, _>(new.role.as_str())
    .bind::<Bool, _>(*new.shops == ShopScope::All)
    .bind::<Array<SqlUuid>, _>(named(new.shops))
    .bind::<Bytea, _>(new.token_hash.as_slice())
    .bind::<SqlUuid, _>(new.invited_by.as_uuid())
    .bind::<Timestamptz, _>(new.at)
    .bind::<Timestamptz, _>(new.expires_at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Locks the invitation of a token if it is good; of two who accept it one comes first.
///
/// # Errors
/// When the statement fails.
pub async fn lock_by_token(
    tx: &mut TenantTx,
    hash: &[u8; 32],
    now: DateTime<Utc>,
) -> Result<Option<InvitationRow>, StoreError> {
    let merchant = tx.merchant();
    sql("SELECT id, email, role, all_shops, shops, invited_by, created_at, expires_at FROM invitations
          WHERE merchant_id = $1 AND token_hash = $2 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $3
            FOR UPDATE")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Bytea, _>(hash.as_slice())
    .bind::<Timestamptz, _>(now)
    .get_result::<Read>(tx.conn()?)
    .await
    .optional()?
    .map(InvitationRow::try_from)
    .transpose()
}

/// Uses an invitation up.
///
/// # Errors
/// When the statement fails.
pub async fn update_accepted(
    tx: &mut TenantTx,
    id: InvitationId,
    by: UserId,
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE invitations SET accepted_at = $4, accepted_by = $3 WHERE merchant_id = $1 AND id = $2")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .bind::<SqlUuid, _>(id.as_uuid())
        .bind::<SqlUuid, _>(by.as_uuid())
        .bind::<Timestamptz, _>(at)
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Takes an invitation back; `false` when there is no open one of this id.
///
/// # Errors
/// When the statement fails.
pub async fn update_revoked(tx: &mut TenantTx, id: InvitationId, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let merchant = tx.merchant();
    let revoked = sql("UPDATE invitations SET revoked_at = $3
                        WHERE merchant_id = $1 AND id = $2 AND accepted_at IS NULL AND revoked_at IS NULL")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(id.as_uuid())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(revoked == 1)
}

/// Takes back what a member invited and what was written to an address, and forgets the address: for accounts that are
/// deleted. Without its address an open invitation would be anybody's.
///
/// # Errors
/// When the statement fails.
pub async fn update_forgotten(
    tx: &mut TenantTx,
    (user, address): (UserId, &EmailAddress),
    at: DateTime<Utc>,
) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE invitations
            SET revoked_at = CASE WHEN accepted_at IS NULL THEN coalesce(revoked_at, $4) ELSE revoked_at END,
                email = nullif(email, $3)
          WHERE merchant_id = $1 AND (invited_by = $2 OR email = $3)")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<SqlUuid, _>(user.as_uuid())
    .bind::<Text, _>(address.as_str())
    .bind::<Timestamptz, _>(at)
    .execute(tx.conn()?)
    .await?;
    Ok(())
}

/// Lists open invitations, the newest first; at most 100. Index invitations_of_merchant.
///
/// # Errors
/// When the statement fails.
pub async fn list(tx: &mut TenantTx, now: DateTime<Utc>) -> Result<Vec<InvitationRow>, StoreError> {
    let merchant = tx.merchant();
    let rows: Vec<Read> = sql("SELECT id, email, role, all_shops, shops, invited_by, created_at, expires_at
          FROM invitations WHERE merchant_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL AND expires_at > $2
         ORDER BY created_at DESC, id DESC LIMIT 100")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(now)
    .load(tx.conn()?)
    .await?;
    rows.into_iter().map(InvitationRow::try_from).collect()
}
