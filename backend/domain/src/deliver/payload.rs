//! The one payload of a delivery: made once, sealed, hashed, and sent byte for byte by every attempt.

use std::sync::Arc;

use kamiflow_kernel::{DeliveryMethod, GatewayKind, SecretBytes, SecretText};
use kamiflow_store::attempts::PAYLOAD;
use kamiflow_store::card_claims::Claimed;
use kamiflow_store::deliveries::DeliveryRow;
use kamiflow_store::{DataKey, SealError, StoreError, TenantTx, cards};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::engine::EngineConfig;
use crate::marketplace::{HandOver, Marketplace, PreparedCall, Voucher};

/// A payload ready to be stored and sent.
#[derive(Debug, Clone)]
pub(super) struct Payload {
    pub(super) call: PreparedCall,
    pub(super) sealed: Vec<u8>,
    pub(super) hash: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    api: std::borrow::Cow<'a, str>,
    body: std::borrow::Cow<'a, str>,
}

/// Returns the stable number of a delivery towards the platform: the same for every attempt.
pub(super) fn idempotency_key(delivery: &DeliveryRow) -> String {
    format!("K{}", delivery.id.simple()).to_uppercase()
}

/// Makes the payload of a delivery that has none yet.
pub(super) async fn make(
    tx: &mut TenantTx,
    market: &dyn Marketplace,
    (config, gateway): (&EngineConfig, GatewayKind),
    delivery: &DeliveryRow,
    claimed: &[Claimed],
) -> Result<Payload, StoreError> {
    let order_sn = delivery.number()?;
    let hand_over = match delivery.method()? {
        DeliveryMethod::VoucherSend => HandOver::Vouchers {
            order_sn,
            out_biz_no: idempotency_key(delivery),
            vouchers: vouchers(tx, claimed).await?,
        },
        DeliveryMethod::ChargeNotify => {
            HandOver::ChargeSucceeded { order_sn, outer_order_sn: idempotency_key(delivery) }
        }
        DeliveryMethod::PickupPage => HandOver::DeclareShipped {
            order_sn,
            logistics_id: config.of(gateway).pickup_logistics_id,
            tracking_number: config.pickup_tracking.clone(),
        },
        method @ (DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) => {
            return Err(StoreError::Corrupt(format!("{method} is handed out by the platform and never sent by us")));
        }
    };
    let call = market.prepare_hand_over(&hand_over);
    let key = tx.data_key().await?;
    let sealed = seal(&key, delivery, &call)?;
    Ok(Payload { hash: hash(&call), sealed, call })
}

/// Opens a stored payload.
pub(super) fn open(key: &Arc<DataKey>, delivery: &DeliveryRow, sealed: &[u8]) -> Result<PreparedCall, SealError> {
    let plain = key.open(PAYLOAD, delivery.id, sealed)?;
    let stored: Stored<'_> = serde_json::from_slice(plain.expose()).map_err(|_shape| SealError::DoesNotOpen)?;
    Ok(PreparedCall { api: stored.api.into_owned(), body: SecretText::new(stored.body.into_owned()) })
}

fn seal(key: &DataKey, delivery: &DeliveryRow, call: &PreparedCall) -> Result<Vec<u8>, SealError> {
    let stored = Stored { api: call.api.as_str().into(), body: call.body.expose().into() };
    let plain = SecretBytes::new(serde_json::to_vec(&stored).map_err(|_never| SealError::DoesNotOpen)?);
    key.seal(PAYLOAD, delivery.id, plain.expose())
}

fn hash(call: &PreparedCall) -> Vec<u8> {
    let mut digest = Sha256::new();
    digest.update(call.api.as_bytes());
    digest.update(b"\n");
    digest.update(call.body.expose().as_bytes());
    digest.finalize().to_vec()
}

async fn vouchers(tx: &mut TenantTx, claimed: &[Claimed]) -> Result<Vec<Voucher>, StoreError> {
    let mut vouchers = Vec::with_capacity(claimed.len());
    for card in claimed {
        let key = tx.data_key_by_id(card.data_key()).await?;
        let number = key.open(cards::NUMBER, card.card_id, &card.number_sealed)?;
        let secret =
            card.secret_sealed.as_ref().map(|sealed| key.open(cards::SECRET, card.card_id, sealed)).transpose()?;
        vouchers.push(Voucher { id: card.card_use_id.simple().to_string(), number: shown(&number, secret.as_ref())? });
    }
    Ok(vouchers)
}

/// The platform has one text per voucher (protocol 4.3); a card with a secret is shown as both, with a blank between.
fn shown(number: &SecretBytes, secret: Option<&SecretBytes>) -> Result<SecretText, SealError> {
    let text = |bytes: &SecretBytes| {
        std::str::from_utf8(bytes.expose()).map(str::to_owned).map_err(|_not_text| SealError::DoesNotOpen)
    };
    let number = text(number)?;
    Ok(match secret {
        Some(secret) => SecretText::new(format!("{number} {}", text(secret)?)),
        None => SecretText::new(number),
    })
}
