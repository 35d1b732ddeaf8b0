//! What is destroyed and revoked when a merchant has closed for good.
//!
//! History stays: orders, deliveries, redemptions, cards with their ledger, the audit log, and who decided about an
//! identity. What opens a door (tokens, secrets, links, invitations) or tells of a person goes. Every statement may be run
//! again and finds nothing to do then.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;

use crate::error::StoreError;
use crate::sql::sql;
use crate::tx::TenantTx;

/// Why tokens and applications of an ended merchant are worth nothing.
const CAUSE: &str = "merchant_ended";

/// Marks the merchant as closed for good; `false` when its days of grace are not over, or it was done before.
///
/// # Errors
/// When the statement fails.
pub async fn update_ended(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<bool, StoreError> {
    let ended = "UPDATE merchants SET ended_at = $2 WHERE merchant_id = $1 AND ended_at IS NULL AND closes_at <= $2";
    Ok(done(tx, ended, at).await? == 1)
}

/// Empties the tokens of every shop; returns of how many.
///
/// # Errors
/// When the statement fails.
pub async fn destroy_credentials(tx: &mut TenantTx) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("UPDATE credentials
               SET access_token_sealed = '', refresh_token_sealed = '', scopes = '{}', token_version = token_version + 1,
                   refresh_holder = NULL, refresh_deadline = NULL, dead_reason = coalesce(dead_reason, $2),
                   updated_at = now()
             WHERE merchant_id = $1 AND octet_length(access_token_sealed) > 0")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Text, _>(CAUSE)
    .execute(tx.conn()?)
    .await?)
}

/// Empties the secrets of the merchant's own applications, lets them call nothing, and frees their client ids for whoever
/// holds their secrets; returns of how many.
///
/// # Errors
/// When the statement fails.
pub async fn destroy_applications(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("UPDATE applications
               SET client_secret_sealed = '', client_id = 'ended:' || id, state = 'stopped',
                   stop_reason = coalesce(stop_reason, $3), stopped_at = coalesce(stopped_at, $2)
             WHERE merchant_id = $1 AND octet_length(client_secret_sealed) > 0")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Text, _>(CAUSE)
    .execute(tx.conn()?)
    .await?)
}

/// Revokes every token of the API; returns how many.
///
/// # Errors
/// When the statement fails.
pub async fn revoke_tokens(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<usize, StoreError> {
    done(tx, "UPDATE api_tokens SET revoked_at = $2 WHERE merchant_id = $1 AND revoked_at IS NULL", at).await
}

/// Takes every open invitation back, forgets whom invitations were written to, and ends links to authorize a mall; returns
/// how many invitations were open.
///
/// # Errors
/// When a statement fails.
pub async fn revoke_invitations(tx: &mut TenantTx, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let links = "UPDATE authorization_links SET used_at = $2 WHERE merchant_id = $1 AND used_at IS NULL";
    done(tx, links, at).await?;
    let begun = "UPDATE authorization_requests SET used_at = $2 WHERE merchant_id = $1 AND used_at IS NULL";
    done(tx, begun, at).await?;
    let open =
        "UPDATE invitations SET revoked_at = $2 WHERE merchant_id = $1 AND accepted_at IS NULL AND revoked_at IS NULL";
    let open = done(tx, open, at).await?;
    let merchant = tx.merchant();
    sql("UPDATE invitations SET email = NULL WHERE merchant_id = $1 AND email IS NOT NULL")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(open)
}

/// Takes every seat but those of owners away, and with them what belongs to a seat; returns how many. Owners keep theirs,
/// which open nothing any more and say whose merchant it was.
///
/// # Errors
/// When the statement fails.
pub async fn delete_seats(tx: &mut TenantTx) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql("DELETE FROM memberships WHERE merchant_id = $1 AND role <> 'owner'")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .execute(tx.conn()?)
        .await?)
}

/// Forgets where the merchant was told what needs a person.
///
/// # Errors
/// When the statement fails.
pub async fn delete_address(tx: &mut TenantTx) -> Result<(), StoreError> {
    let merchant = tx.merchant();
    sql("DELETE FROM notification_addresses WHERE merchant_id = $1")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .execute(tx.conn()?)
        .await?;
    Ok(())
}

/// Rejects a submission that waits, and destroys what was ever submitted to be verified, as is done 30 days after a decision
/// ([`crate::verifications::update_destroyed`]); returns how many submissions.
///
/// # Errors
/// When a statement fails.
pub async fn destroy_verifications(tx: &mut TenantTx, reason: &str, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    sql("UPDATE verifications SET state = 'rejected', reason = $3, decided_at = $2
          WHERE merchant_id = $1 AND state = 'submitted'")
    .bind::<SqlUuid, _>(merchant.as_uuid())
    .bind::<Timestamptz, _>(at)
    .bind::<Text, _>(reason)
    .execute(tx.conn()?)
    .await?;
    sql("UPDATE verification_pictures SET picture_sealed = '' WHERE merchant_id = $1 AND octet_length(picture_sealed) > 0")
        .bind::<SqlUuid, _>(merchant.as_uuid())
        .execute(tx.conn()?)
        .await?;
    let emptied = "UPDATE verifications SET subject_sealed = '', destroyed_at = $2 WHERE merchant_id = $1 AND destroyed_at IS NULL";
    done(tx, emptied, at).await
}

/// Runs a statement about the transaction's merchant and a moment; returns how many rows it changed.
async fn done(tx: &mut TenantTx, statement: &'static str, at: DateTime<Utc>) -> Result<usize, StoreError> {
    let merchant = tx.merchant();
    Ok(sql(statement).bind::<SqlUuid, _>(merchant.as_uuid()).bind::<Timestamptz, _>(at).execute(tx.conn()?).await?)
}
