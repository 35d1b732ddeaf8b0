//! Shops, and what is needed to call the platform for one.

use chrono::{DateTime, Utc};
use diesel::sql_types::{Array, BigInt, Bytea, Integer, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel::{OptionalExtension, QueryableByName};
use diesel_async::RunQueryDsl;
use kamiflow_kernel::{DataKeyId, GatewayKind, ShopId, ShopState};
use uuid::Uuid;

use crate::error::StoreError;
use crate::sql::{parsed, sql};
use crate::tx::TenantTx;

/// Place of the sealed secret of an application; the row is the application.
pub const CLIENT_SECRET: &str = "applications.client_secret_sealed";
/// Place of a sealed access token; the row is the credential.
pub const ACCESS_TOKEN: &str = "credentials.access_token_sealed";
/// Place of a sealed refresh token; the row is the credential.
pub const REFRESH_TOKEN: &str = "credentials.refresh_token_sealed";

/// A shop joined with its application and tokens, still sealed.
#[derive(QueryableByName)]
#[expect(missing_docs, reason = "the fields are the columns of the schema, described there")]
pub struct AccessRow {
    #[diesel(sql_type = BigInt)]
    pub mall_id: i64,
    #[diesel(sql_type = Text)]
    state: String,
    #[diesel(sql_type = Text)]
    gateway: String,
    #[diesel(sql_type = Nullable<Timestamptz>)]
    pub deliver_from: Option<DateTime<Utc>>,
    #[diesel(sql_type = Timestamptz)]
    pub connected_at: DateTime<Utc>,
    #[diesel(sql_type = SqlUuid)]
    pub application_id: Uuid,
    #[diesel(sql_type = Text)]
    pub client_id: String,
    #[diesel(sql_type = Text)]
    pub application_state: String,
    #[diesel(sql_type = Array<Text>)]
    pub denied_apis: Vec<String>,
    #[diesel(sql_type = SqlUuid)]
    application_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub client_secret_sealed: Vec<u8>,
    #[diesel(sql_type = SqlUuid)]
    pub credential_id: Uuid,
    #[diesel(sql_type = SqlUuid)]
    token_key_id: Uuid,
    #[diesel(sql_type = Bytea)]
    pub access_token_sealed: Vec<u8>,
    #[diesel(sql_type = BigInt)]
    pub token_version: i64,
    #[diesel(sql_type = Timestamptz)]
    pub token_expires_at: DateTime<Utc>,
    #[diesel(sql_type = Nullable<Text>)]
    pub token_dead: Option<String>,
    #[diesel(sql_type = Integer)]
    pub poll_floor_s: i32,
}

impl AccessRow {
    /// Returns the key that seals the application's secret.
    #[must_use]
    pub const fn application_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.application_key_id)
    }

    /// Returns the key that seals the tokens.
    #[must_use]
    pub const fn token_key(&self) -> DataKeyId {
        DataKeyId::from_uuid(self.token_key_id)
    }

    /// Returns the shop's state.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn state(&self) -> Result<ShopState, StoreError> {
        parsed(&self.state)
    }

    /// Returns the platform the shop lives on.
    ///
    /// # Errors
    /// When the stored text is unknown to this program.
    pub fn gateway(&self) -> Result<GatewayKind, StoreError> {
        parsed(&self.gateway)
    }
}

/// Reads a shop with its application and tokens. Primary keys only.
///
/// # Errors
/// [`StoreError::NotFound`] for a shop of another merchant, or one without tokens.
pub async fn fetch_access(tx: &mut TenantTx, shop: ShopId) -> Result<AccessRow, StoreError> {
    let merchant = tx.merchant().as_uuid();
    sql("SELECT s.mall_id, s.state, s.gateway, s.deliver_from, s.connected_at, a.id AS application_id, a.client_id,
                a.state AS application_state, a.denied_apis, a.data_key_id AS application_key_id,
                a.client_secret_sealed, c.id AS credential_id, c.data_key_id AS token_key_id, c.access_token_sealed,
                c.token_version, c.expires_at AS token_expires_at, c.dead_reason AS token_dead, m.poll_floor_s
           FROM shops s
           JOIN applications a ON a.merchant_id = s.application_merchant_id AND a.id = s.application_id
           JOIN credentials c ON c.shop_id = s.id AND c.merchant_id = s.merchant_id
           JOIN merchants m ON m.id = s.merchant_id
          WHERE s.merchant_id = $1 AND s.id = $2")
    .bind::<SqlUuid, _>(merchant)
    .bind::<SqlUuid, _>(shop.as_uuid())
    .get_result(tx.conn()?)
    .await
    .optional()?
    .ok_or(StoreError::NotFound("shop"))
}
