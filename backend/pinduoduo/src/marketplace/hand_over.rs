//! Hand-overs and imports in the platform's words.

use kamiflow_domain::marketplace::{CardUpload, ErrorClass, HandOver, MarketError, PreparedCall};
use kamiflow_kernel::{DeliveryMethod, SecretText};

use super::errors::refused;
use crate::api::Api;
use crate::api::charge::{ChargeNotify, ChargeStatus};
use crate::api::logistics::{LogisticsOnlineSend, Redelivery};
use crate::api::voucher::{CardBatchAdd, ImportedCard, Voucher, VoucherInfoSend};
use crate::card_key::CardKey;
use crate::prepared;

/// The API that imports cards.
pub(super) const UPLOAD: &str = CardBatchAdd::META.name;

/// The API of a method, as [`prepare`] writes it.
pub(super) const fn api(method: DeliveryMethod) -> Option<&'static str> {
    match method {
        DeliveryMethod::VoucherSend => Some(VoucherInfoSend::META.name),
        DeliveryMethod::ChargeNotify => Some(ChargeNotify::META.name),
        DeliveryMethod::PickupPage => Some(LogisticsOnlineSend::META.name),
        DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes => None,
    }
}

/// Fixes the business parameters: the same hand-over always gives the same bytes, because keys are sorted and
/// nothing of the moment is in them.
pub(super) fn prepare(hand_over: &HandOver) -> PreparedCall {
    match hand_over {
        HandOver::Vouchers { order_sn, out_biz_no, vouchers } => written(&VoucherInfoSend {
            order_sn: order_sn.clone(),
            out_biz_no: out_biz_no.clone(),
            vouchers: vouchers
                .iter()
                .map(|voucher| Voucher { voucher_id: voucher.id.clone(), voucher_no: voucher.number.clone() })
                .collect(),
        }),
        HandOver::ChargeSucceeded { order_sn, outer_order_sn } => written(&ChargeNotify {
            order_sn: order_sn.clone(),
            outer_order_sn: outer_order_sn.clone(),
            status: ChargeStatus::Success,
            ele_invoice: None,
            certificates: Vec::new(),
        }),
        HandOver::DeclareShipped { order_sn, logistics_id, tracking_number } => written(&LogisticsOnlineSend {
            order_sn: order_sn.clone(),
            logistics_id: *logistics_id,
            tracking_number: tracking_number.clone(),
            redelivery: Some(Redelivery::First),
        }),
    }
}

fn written<A: Api>(request: &A) -> PreparedCall {
    // Texts and numbers can always be written as JSON. Were one not, the empty body is refused before it is sent.
    let body = prepared::PreparedCall::new(request)
        .map_or_else(|_unwritable| SecretText::new(String::new()), |call| call.business_params().clone());
    PreparedCall { api: A::META.name.to_owned(), body }
}

pub(super) fn stored(call: &PreparedCall) -> Result<prepared::PreparedCall, MarketError> {
    prepared::PreparedCall::from_stored(&call.api, call.body.clone())
        .map_err(|error| refused(&call.api, ErrorClass::Rejected, &error.to_string()))
}

pub(super) fn upload(upload: &CardUpload, key: Option<&CardKey>) -> Result<CardBatchAdd, MarketError> {
    let reject = |reason: &str| refused(UPLOAD, ErrorClass::Rejected, reason);
    let key = key.ok_or_else(|| reject("the server has no key of the platform to encrypt card passwords with"))?;
    if upload.cards.len() > CardBatchAdd::MAX_CARDS {
        return Err(reject("more than 5000 cards in one import"));
    }
    let imported = |card: &kamiflow_domain::marketplace::UploadCard| {
        let password = key.encrypt(&card.password).map_err(|error| reject(&error.to_string()))?;
        Ok(ImportedCard { card_no: card.number.clone(), encrypt_password: password })
    };
    Ok(CardBatchAdd {
        goods_id: upload.goods_id,
        sku_id: upload.sku_id,
        charge_address: Some(upload.charge_address.clone()).filter(|address| !address.is_empty()),
        cards: upload.cards.iter().map(imported).collect::<Result<_, MarketError>>()?,
    })
}
