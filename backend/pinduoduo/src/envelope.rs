//! Reading an answer: error envelope, response key, in-band result (protocol 1.5, 1.6).

use std::collections::HashMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::api::{Api, ApiMeta, InBand};
use crate::client::Answer;
use crate::errors::{CallError, Failure};
use crate::wire;

/// How long a read waits after an answer nobody can read.
const AFTER_NONSENSE: Duration = Duration::from_secs(2);
/// Main code of the business service's own failures.
const BUSINESS: i64 = 50001;
const ERROR_KEY: &str = "error_response";

#[derive(Deserialize)]
struct ErrorResponse {
    #[serde(default, deserialize_with = "wire::int")]
    error_code: Option<i64>,
    #[serde(default, deserialize_with = "wire::text")]
    error_msg: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    sub_code: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    sub_msg: Option<String>,
    #[serde(default, deserialize_with = "wire::text")]
    request_id: Option<String>,
}

/// Returns the payload of an answer, or what its failure means.
///
/// An answer that cannot be read leaves a write's outcome open, since the platform had the request.
pub(crate) fn read<A: Api>(answer: Answer) -> Result<A::Response, CallError> {
    let Answer { status, body } = answer;
    let meta = A::META;
    let nonsense = |what: &str| CallError::uncertain(meta, AFTER_NONSENSE, &format!("HTTP {status}: {what}"));
    // The bodies are not quoted anywhere: they hold tokens, cards and buyers.
    let text = std::str::from_utf8(&body).map_err(|_bytes| nonsense("the answer is not UTF-8"))?;
    let fields: HashMap<String, &RawValue> =
        serde_json::from_str(text).map_err(|_text| nonsense("the answer is not a JSON object"))?;
    if let Some(error) = fields.get(ERROR_KEY) {
        return Err(failure(meta, error).unwrap_or_else(|| nonsense("the error answer cannot be read")));
    }
    if !(200..300).contains(&status) {
        return Err(nonsense("the status is not a success"));
    }
    let payload = match meta.response_key {
        None => text,
        Some(key) => fields.get(key).map(|raw| raw.get()).ok_or_else(|| nonsense("the answer has another key"))?,
    };
    let response: A::Response = serde_json::from_str(payload)
        .map_err(|error| nonsense(&format!("the answer has another shape at column {}", error.column())))?;
    match A::in_band(&response) {
        InBand::Done => Ok(response),
        InBand::Unclear => Err(nonsense("the answer does not say whether it succeeded")),
        InBand::Refused { code, message } => {
            let request_id = fields.get("request_id").and_then(|raw| serde_json::from_str(raw.get()).ok());
            let sub_code = code.map(|code| code.to_string());
            Err(Failure { code: BUSINESS, sub_code, message, request_id }.classify(meta))
        }
    }
}

fn failure(meta: &ApiMeta, raw: &RawValue) -> Option<CallError> {
    let error: ErrorResponse = serde_json::from_str(raw.get()).ok()?;
    let message = match (error.error_msg, error.sub_msg) {
        (Some(main), Some(sub)) if main != sub => format!("{main}: {sub}"),
        (main, sub) => main.or(sub).unwrap_or_default(),
    };
    let failure = Failure { code: error.error_code?, sub_code: error.sub_code, message, request_id: error.request_id };
    Some(failure.classify(meta))
}

#[cfg(test)]
mod tests;
