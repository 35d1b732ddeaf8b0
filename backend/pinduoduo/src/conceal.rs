//! Takes what a call carried out of the platform's answer to it.
//!
//! Texts of failures reach logs, events and exceptions, which people read and which are kept. The platform may repeat in
//! them what it was sent: a card's number, a token. Every text of a call is a secret here unless its name is known to be
//! harmless, so that a parameter that is added later is hidden and not shown.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::errors::CallError;
use crate::keys::{AppKeys, MallToken};

const HIDDEN: &str = "***";
/// What is shorter cannot be told from other text.
const SHORTEST: usize = 3;
/// Names of parameters whose texts people need to understand a failure.
const HARMLESS: [&str; 12] = [
    "goods_id",
    "goodsId",
    "logistics_id",
    "order_sn",
    "order_sns",
    "out_biz_no",
    "out_trans_no",
    "out_voucher_id",
    "outer_order_sn",
    "serial_no",
    "skuId",
    "voucher_id",
];

/// Hides in a failure what its call was made with.
pub(crate) fn conceal(
    mut error: CallError,
    values: &BTreeMap<String, String>,
    keys: &AppKeys,
    token: Option<&MallToken>,
) -> CallError {
    let mut secrets = vec![keys.client_secret().to_owned()];
    secrets.extend(token.map(|token| token.expose().to_owned()));
    for (name, text) in values {
        collect(name, &Value::String(text.clone()), &mut secrets);
    }
    let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
    error.message = hide(&error.message, &secrets).into_boxed_str();
    // A number is a code of the platform's tables, which callers compare; only some other text may repeat a secret.
    error.sub_code =
        error.sub_code.map(|code| match code.len() <= 10 && code.bytes().all(|byte| byte.is_ascii_digit()) {
            true => code,
            false => hide(&code, &secrets).into_boxed_str(),
        });
    error
}

/// Collects the texts of a parameter, also those of JSON written as text.
fn collect(name: &str, value: &Value, secrets: &mut Vec<String>) {
    if HARMLESS.contains(&name) {
        return;
    }
    match value {
        Value::String(text) => {
            if let Ok(nested @ (Value::Object(_) | Value::Array(_))) = serde_json::from_str(text) {
                collect(name, &nested, secrets);
            } else {
                secrets.push(text.clone());
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect(name, value, secrets)),
        Value::Object(fields) => fields.iter().for_each(|(name, value)| collect(name, value, secrets)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Returns a text without these secrets, in whatever case it repeats them. A text may have been cut: at its end the
/// beginning of a secret counts as one.
pub(crate) fn hide(text: &str, secrets: &[&str]) -> String {
    // Lower case of ASCII only: every byte keeps its place.
    let searched = text.to_ascii_lowercase();
    let mut hidden = vec![false; text.len()];
    let mut mark = |from: usize, to: usize| {
        if let Some(span) = hidden.get_mut(from..to) {
            span.fill(true);
        }
    };
    for secret in secrets.iter().map(|secret| secret.trim().to_ascii_lowercase()) {
        if secret.chars().count() < SHORTEST {
            continue;
        }
        for (at, found) in searched.match_indices(&secret) {
            mark(at, at + found.len());
        }
        let beginnings = secret.char_indices().skip(SHORTEST).filter_map(|(end, _)| secret.get(..end));
        if let Some(cut) = beginnings.filter(|beginning| searched.ends_with(beginning)).last() {
            mark(searched.len() - cut.len(), searched.len());
        }
    }
    let mut shown = String::with_capacity(text.len());
    let mut within = false;
    for (at, character) in text.char_indices() {
        let hide = hidden.get(at).copied().unwrap_or(false);
        match (hide, within) {
            (true, false) => shown.push_str(HIDDEN),
            (true, true) => {}
            (false, _) => shown.push(character),
        }
        within = hide;
    }
    shown
}

#[cfg(test)]
mod tests {
    use kamiflow_kernel::{MallId, SecretText};

    use super::*;
    use crate::errors::ErrorClass;

    #[test]
    fn a_text_loses_secrets_wherever_and_however_often_they_stand() {
        assert_eq!(hide("券码 AB12-CD 已使用, ab12-cd", &["AB12-CD"]), "券码 *** 已使用, ***");
        assert_eq!(hide("AB12-CDAB12-CD", &["AB12-CD"]), "***");
        assert_eq!(hide("密码密码卡", &["密码卡"]), "密码***");
        assert_eq!(hide("系统繁忙", &["AB12-CD", "", "系"]), "系统繁忙");
        // A longer secret around a shorter one leaves nothing of either.
        assert_eq!(hide("x 123456 y", &["345", "123456"]), "x *** y");
    }

    #[test]
    fn a_secret_that_was_cut_at_the_end_is_hidden_too() {
        assert_eq!(hide("卡号 ABCD-12", &["ABCD-1234-5678"]), "卡号 ***");
        assert_eq!(hide("卡号 AB", &["ABCD-1234-5678"]), "卡号 AB");
    }

    #[test]
    fn a_failure_repeats_neither_codes_nor_tokens_but_says_which_order() {
        let vouchers = r#"[{"voucher_id":"use-1","voucher_no":"CODE-0001"},{"voucher_no":"CODE-0002"}]"#;
        let values: BTreeMap<String, String> =
            [("order_sn", "261122-100000000000017"), ("voucher_list", vouchers), ("out_biz_no", "D0001")]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
                .into();
        let message = "订单261122-100000000000017 D0001 use-1: CODE-0001, CODE-0002 token-1 secret-1";
        let error = CallError {
            api: "pdd.voucher.voucher.info.send",
            class: ErrorClass::Rejected,
            code: Some(50_001),
            sub_code: Some("CODE-0001".into()),
            message: message.into(),
            request_id: None,
        };
        let keys = AppKeys::new("client", SecretText::from("secret-1"));
        let token = MallToken::new(MallId(1), SecretText::from("token-1"));
        let told = conceal(error, &values, &keys, Some(&token));
        assert_eq!(&*told.message, "订单261122-100000000000017 D0001 use-1: ***, *** *** ***");
        assert_eq!(told.sub_code.as_deref(), Some("***"));
    }
}
