//! Redemptions, and opening the platform's ciphertexts.

use kamiflow_domain::marketplace::{ErrorClass, MarketError, OtaCard, Redeem, Redeemed};
use kamiflow_kernel::{OrderSn, SecretText};

use super::errors::{incomplete, refused};
use crate::api::Api;
use crate::api::decrypt::{DecryptBatch, DecryptMaskBatch, Decrypted, Encrypted};
use crate::api::voucher::{
    CardState, CardVerification, OtaPrepare, OtaPrepared, OtaVerification, OtaVerified, RealtimeVerifySync,
    VoucherChange,
};
use crate::wire::CipherText;

/// A redemption as a typed request.
pub(super) enum Call {
    Report(CardVerification),
    Ota(OtaVerification),
    Realtime(RealtimeVerifySync),
}

pub(super) fn call(redeem: &Redeem) -> Call {
    match redeem {
        Redeem::ReportCard { order_sn, out_trans_no, number, at, used } => Call::Report(CardVerification {
            order_sn: order_sn.clone(),
            changes: vec![VoucherChange {
                out_trans_no: out_trans_no.clone(),
                at: *at,
                state: if *used { CardState::Used } else { CardState::Destroyed },
                voucher_no: number.clone(),
            }],
        }),
        Redeem::Ota { order_sn, number, store_id, store_name } => Call::Ota(OtaVerification {
            card_no: number.clone(),
            store_id: *store_id,
            store_name: store_name.clone(),
            order_sn: Some(order_sn.clone()),
        }),
        Redeem::Realtime { order_sn, serial_no, out_voucher_id, at } => Call::Realtime(RealtimeVerifySync {
            order_sn: order_sn.clone(),
            serial_no: serial_no.clone(),
            verified_at: *at,
            out_voucher_id: out_voucher_id.clone(),
            remark: None,
            shop_name: None,
            shop_no: None,
        }),
    }
}

pub(super) fn prepare(number: &SecretText, store_id: Option<i64>) -> OtaPrepare {
    OtaPrepare { card_no: number.clone(), store_id }
}

pub(super) fn prepared(answer: OtaPrepared) -> Result<OtaCard, MarketError> {
    let missing = |field: &str| incomplete(OtaPrepare::META.name, field);
    let found = answer.result.ok_or_else(|| missing("result"))?;
    let card = found.card_vo.ok_or_else(|| missing("card_vo"))?;
    let status = card.status.and_then(|status| i16::try_from(status).ok()).ok_or_else(|| missing("status"))?;
    let times = |value: Option<i64>| value.and_then(|times| i32::try_from(times).ok());
    let remain_times = times(card.remain_times).ok_or_else(|| missing("remain_times"))?;
    Ok(OtaCard {
        order_sn: found.order_vo.and_then(|order| order.order_sn),
        status,
        remain_times,
        total_times: times(card.total_times).unwrap_or(remain_times),
    })
}

/// Reads an accepted redemption. Only "redeemed", or no word about the status, is done; anything else is looked up.
pub(super) fn verified(answer: &OtaVerified) -> Redeemed {
    match answer.result.as_ref().and_then(|result| result.status) {
        None | Some(2) => Redeemed::Done,
        Some(_in_progress) => Redeemed::InProgress,
    }
}

pub(super) fn decrypts(order_sn: &OrderSn, ciphers: &[String]) -> impl Iterator<Item = DecryptBatch> {
    batches(order_sn, ciphers).map(|texts| DecryptBatch { texts })
}

pub(super) fn masks(order_sn: &OrderSn, ciphers: &[String]) -> impl Iterator<Item = DecryptMaskBatch> {
    batches(order_sn, ciphers).map(|texts| DecryptMaskBatch { texts })
}

fn batches(order_sn: &OrderSn, ciphers: &[String]) -> impl Iterator<Item = Vec<Encrypted>> {
    ciphers
        .chunks(DecryptBatch::MAX_TEXTS)
        .map(|chunk| chunk.iter().map(|cipher| encrypted(order_sn, cipher)).collect())
}

fn encrypted(order_sn: &OrderSn, cipher: &str) -> Encrypted {
    Encrypted { data_tag: order_sn.to_string(), encrypted_data: CipherText::new(cipher.to_owned()) }
}

/// Returns the opened texts in the order they were asked for; the answer's own order is not relied on.
pub(super) fn opened(asked: Vec<Encrypted>, answer: Decrypted) -> Result<Vec<SecretText>, MarketError> {
    let api = DecryptBatch::META.name;
    let mut opened = Vec::with_capacity(asked.len());
    for text in asked {
        let found =
            answer.data_decrypt_list.iter().find(|entry| entry.encrypted_data.as_ref() == Some(&text.encrypted_data));
        let entry = found.ok_or_else(|| incomplete(api, "data_decrypt_list"))?;
        if let Some(code) = entry.error_code.filter(|code| *code != 0) {
            let message = entry.error_msg.clone().unwrap_or_default();
            return Err(MarketError { code, ..refused(api, ErrorClass::Rejected, &message) });
        }
        let plain = entry.decrypted_data.clone();
        opened.push(plain.ok_or_else(|| incomplete(api, "decrypted_data"))?);
    }
    Ok(opened)
}
