//! Loads a shop with what is needed to call the platform for it.

use chrono::{DateTime, Utc};
use kamiflow_kernel::{ApplicationId, MallId, ShopId, ShopState};
use kamiflow_store::{SealError, StoreError, TenantTx, shops};

use crate::marketplace::{ApplicationAccess, ShopAccess};

/// A shop, opened for work.
#[derive(Debug, Clone)]
pub struct Shop {
    /// For calls.
    pub access: ShopAccess,
    /// The application it is connected through.
    pub application: ApplicationId,
    /// What it may do.
    pub state: ShopState,
    /// Orders paid before it are backlog.
    pub deliver_from: Option<DateTime<Utc>>,
    /// When it was connected.
    pub connected_at: DateTime<Utc>,
    /// When it came back from a backup, if it did: what was prepared before is never sent again.
    pub restored_at: Option<DateTime<Utc>>,
    /// When the access token ends.
    pub token_expires_at: DateTime<Utc>,
    /// Why the token is dead, if it is.
    pub token_dead: Option<String>,
    /// Whether the application is stopped.
    pub application_stopped: bool,
    /// APIs the application was told it may not call.
    pub denied_apis: Vec<String>,
    /// Fastest polling of the merchant's plan, seconds.
    pub poll_floor_s: u32,
    /// Whether deliveries that were busy when stock arrived still wait for it.
    pub missed_waits: bool,
}

/// Opens a shop.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop that is not this merchant's or has no tokens.
pub async fn open(tx: &TenantTx, shop: ShopId) -> Result<Shop, StoreError> {
    let row = shops::fetch_access(tx, shop).await?;
    let application_key = tx.data_key_by_id(row.application_key()).await?;
    let token_key = tx.data_key_by_id(row.token_key()).await?;
    let secret =
        application_key.open(shops::CLIENT_SECRET, row.application_id, &row.client_secret_sealed).and_then(text)?;
    let token = token_key.open(shops::ACCESS_TOKEN, row.credential_id, &row.access_token_sealed).and_then(text)?;
    Ok(Shop {
        access: ShopAccess {
            merchant: tx.merchant(),
            shop,
            mall: MallId(row.mall_id),
            application: ApplicationAccess {
                gateway: row.gateway()?,
                client_id: row.client_id.clone(),
                client_secret: secret,
                denied_apis: row.denied_apis.clone(),
            },
            access_token: token,
            token_version: row.token_version,
        },
        application: ApplicationId::from_uuid(row.application_id),
        state: row.state()?,
        deliver_from: row.deliver_from,
        connected_at: row.connected_at,
        token_expires_at: row.token_expires_at,
        restored_at: row.restored_at,
        token_dead: row.token_dead,
        application_stopped: row.application_state == "stopped",
        denied_apis: row.denied_apis,
        poll_floor_s: u32::try_from(row.poll_floor_s).unwrap_or(15),
        missed_waits: row.missed_waits,
    })
}

/// Returns a shop that was opened a while ago with what it may do now, and keeps that so until the transaction ends.
///
/// # Errors
/// [`StoreError::NotFound`] for another merchant's shop.
pub async fn as_of_now(tx: &TenantTx, shop: &Shop) -> Result<Shop, StoreError> {
    let standing = shops::share_standing(tx, shop.access.shop).await?;
    Ok(Shop {
        state: standing.state()?,
        deliver_from: standing.deliver_from,
        application_stopped: standing.application_stopped,
        denied_apis: standing.denied_apis,
        ..shop.clone()
    })
}

fn text(bytes: kamiflow_kernel::SecretBytes) -> Result<kamiflow_kernel::SecretText, SealError> {
    String::from_utf8(bytes.expose().to_vec()).map(Into::into).map_err(|_not_text| SealError::DoesNotOpen)
}
