//! The description of the API (OpenAPI 3.1), made from the handlers and their types.
//!
//! What holds for every operation is added here once: refusals and their shape, the limit's headers, and the key of writes.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};
use utoipa::OpenApi;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};

use super::{cards, orders, redemptions, shops};
use crate::problem::Problem;

/// The operations and the types they name.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Kamiflow API",
        version = "1",
        description = "What a merchant's own programs may ask for and do. Authenticate with `Authorization: Bearer kf_…`; \
                       tokens are made in the console. Times are UTC, amounts are fen.",
        license(name = "Apache-2.0", identifier = "Apache-2.0"),
    ),
    paths(
        shops::list, shops::show, orders::list, orders::show, orders::retry, orders::reveal, redemptions::list,
        redemptions::approve, redemptions::report_use, cards::pools, cards::pool, cards::import, cards::list, cards::void
    ),
    components(schemas(Problem)),
    tags(
        (name = "shops", description = "Connected shops"),
        (name = "orders", description = "Orders, newest first"),
        (name = "cards", description = "Card pools, imports and cards"),
        (name = "redemptions", description = "Redemptions, newest first; approving them and reporting uses"),
    ),
)]
struct Described;

/// What any operation may be refused with: status, and why.
const REFUSALS: [(&str, &str); 6] = [
    ("400", "The request cannot be read"),
    ("401", "There is no token, or it is not good"),
    ("403", "The token is not for this, or its maker may not do it"),
    ("404", "There is no such thing, or not for this token"),
    ("429", "Too many requests; see Retry-After"),
    ("503", "Try again later"),
];
/// And what a write may be refused with besides.
const REFUSED_WRITES: [(&str, &str); 4] = [
    ("409", "The state of things forbids it, or the same key is under way"),
    ("413", "The body is too large"),
    ("415", "The body is not application/json"),
    ("422", "It cannot be done as asked, or the key was used for something else"),
];
/// The operation that is harmless to repeat and whose answer is kept nowhere.
const WITHOUT_KEY: &str = "reveal_cards";

static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let mut described = Described::openapi();
    if let Some(components) = &mut described.components {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.bearer_format = Some("kf_live_… or kf_test_…".to_owned());
        scheme.description = Some("A token of the API; the lists beside `token` are its scopes.".to_owned());
        components.security_schemes.insert("token".to_owned(), SecurityScheme::Http(scheme).into());
    }
    let mut document = serde_json::to_value(described).unwrap_or_default();
    complete(&mut document);
    document
});
static TEXT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// Returns the description.
pub(crate) fn document() -> &'static Value {
    &DOCUMENT
}

/// Returns it as it is sent.
pub(super) fn text() -> &'static str {
    &TEXT
}

fn complete(document: &mut Value) {
    let Some(paths) = document.get_mut("paths").and_then(Value::as_object_mut) else { return };
    let operations = paths.values_mut().filter_map(Value::as_object_mut).flat_map(|path| path.iter_mut());
    for (method, operation) in operations {
        let Some(operation) = operation.as_object_mut() else { continue };
        let is_write = method == "post";
        let takes_key = is_write && operation.get("operationId").and_then(Value::as_str) != Some(WITHOUT_KEY);
        if takes_key {
            let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
            if let Some(parameters) = parameters.as_array_mut() {
                parameters.push(key_parameter());
            }
        }
        if let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) {
            for (status, why) in REFUSALS.iter().chain(REFUSED_WRITES.iter().filter(|_| is_write)) {
                responses.insert((*status).to_owned(), refusal(why));
            }
            tell_limits(responses);
        }
    }
}

fn key_parameter() -> Value {
    json!({
        "name": "Idempotency-Key",
        "in": "header",
        "required": true,
        "description": "A new one for each write. The same again within 24 hours gets the same answer.",
        "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        "example": "7d3f0a52-import-0001"
    })
}

fn refusal(why: &str) -> Value {
    json!({
        "description": why,
        "content": { "application/problem+json": { "schema": { "$ref": "#/components/schemas/Problem" } } }
    })
}

/// Every answer to a good token tells what is left of its limit.
fn tell_limits(responses: &mut Map<String, Value>) {
    let number = |what: &str| json!({ "description": what, "schema": { "type": "integer", "minimum": 0 } });
    let text = |what: &str| json!({ "description": what, "schema": { "type": "string" } });
    for (status, response) in responses {
        let mut headers = Map::new();
        if status != "401" && status != "503" {
            headers.insert("RateLimit-Limit".to_owned(), number("Requests at once after a quiet time"));
            headers.insert("RateLimit-Remaining".to_owned(), number("Of those, how many are left"));
            headers.insert("RateLimit-Reset".to_owned(), number("Seconds until all of them are there again"));
            headers.insert("RateLimit-Policy".to_owned(), text("Requests per window of so many seconds"));
        }
        match status.as_str() {
            "401" => drop(headers.insert("WWW-Authenticate".to_owned(), text("How to say who you are"))),
            "429" => {
                drop(headers.insert("Retry-After".to_owned(), number("Seconds to wait; not with reveal.quota_used")))
            }
            _ => {}
        }
        if let Some(response) = response.as_object_mut() {
            response.insert("headers".to_owned(), Value::Object(headers));
        }
    }
}
