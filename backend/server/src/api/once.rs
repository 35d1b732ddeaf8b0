//! A write is done once per `Idempotency-Key`: the same again is given the same answer.

use actix_web::body::{BoxBody, MessageBody, to_bytes};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::Next;
use actix_web::web::{Bytes, BytesMut};
use actix_web::{Error, HttpMessage as _, HttpResponse, web};
use futures_util::StreamExt as _;
use kamiflow_domain::api::repetition::{Answer, BeginError, Begun, IdempotencyKey, begin, end, request_hash};
use kamiflow_domain::ctx::Ctx;

use super::guard::Presented;
use crate::problem::Problem;
use crate::product::Product;

const KEY: &str = "idempotency-key";
/// Says that an answer was given before.
const REPLAYED: &str = "idempotency-replayed";

/// How much a route's requests may send, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Limit(pub(super) usize);

/// Does a write, or repeats its answer.
pub(super) async fn once(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (key, body) = match read(&mut request).await {
        Ok(read) => read,
        Err(problem) => return Ok(request.into_response(problem.answer())),
    };
    let known = {
        let extensions = request.extensions();
        (extensions.get::<Ctx>().cloned(), extensions.get::<Presented>().cloned())
    };
    let (Some(product), (Some(ctx), Some(Presented(token)))) =
        (request.app_data::<web::Data<Product>>().cloned(), known)
    else {
        return Ok(request.into_response(failed().answer()));
    };
    let asked = [request.method().as_str(), request.path(), request.query_string()].map(str::as_bytes);
    let hash = request_hash(&token, &[asked[0], asked[1], asked[2], &body]);
    let underway = match begin(&product.engine, &ctx, key, &hash).await {
        Ok(Begun::First(underway)) => underway,
        Ok(Begun::Again(answer)) => return Ok(request.into_response(repeated(answer))),
        Err(error) => return Ok(request.into_response(refused(error).answer())),
    };
    request.set_payload(Payload::from(body));
    let answered = next.call(request).await?;
    let (request, response) = answered.into_parts();
    let (response, body) = response.into_parts();
    let body = to_bytes(body).await.map_err(|_unreadable| failed())?;
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let answer = Answer {
        status: response.status().as_u16(),
        content_type: content_type.unwrap_or("application/json").to_owned(),
        body: body.to_vec(),
    };
    if let Err(cause) = end(&product.engine, &ctx, &underway, &answer).await {
        // It was done: the sender is told so. Sent again it is done again, which changes nothing.
        let error: &dyn std::error::Error = &cause;
        tracing::error!(error, "The answer of a write could not be kept");
    }
    Ok(ServiceResponse::new(request, response.set_body(body).map_into_boxed_body()))
}

fn failed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "server.failed", "The server could not answer")
}

/// Reads the key and the whole body.
async fn read(request: &mut ServiceRequest) -> Result<(IdempotencyKey, Bytes), Problem> {
    let bad_key = |title| {
        Problem::new(StatusCode::BAD_REQUEST, "idempotency_key.invalid", title)
            .because("send Idempotency-Key with 1 to 255 visible ASCII characters, a new one for each write")
    };
    let mut keys = request.headers().get_all(KEY);
    let key = match (keys.next(), keys.next()) {
        (Some(key), None) => key.to_str().ok().and_then(|key| key.parse().ok()),
        (None, _) => return Err(bad_key("A write needs the header Idempotency-Key")),
        (Some(_), Some(_)) => None,
    };
    let key = key.ok_or_else(|| bad_key("The header Idempotency-Key is no key"))?;
    let limit = request.app_data::<Limit>().map_or(super::BODY, |limit| limit.0);
    let too_large = || {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", "The request's body is too large")
            .because(format!("{limit} bytes are the most"))
    };
    let mut payload = request.take_payload();
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let unreadable =
            |_cut| Problem::new(StatusCode::BAD_REQUEST, "body.unreadable", "The body did not arrive whole");
        let chunk = chunk.map_err(unreadable)?;
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok((key, body.freeze()))
}

fn repeated(answer: Answer) -> HttpResponse {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = HttpResponse::build(status).content_type(answer.content_type).body(answer.body);
    response.headers_mut().insert(header::HeaderName::from_static(REPLAYED), HeaderValue::from_static("true"));
    response
}

fn refused(error: BeginError) -> Problem {
    match error {
        BeginError::OtherRequest => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key.other_request",
            "This Idempotency-Key was used for another request",
        ),
        BeginError::Underway => Problem::new(
            StatusCode::CONFLICT,
            "idempotency_key.underway",
            "A request with this Idempotency-Key is under way; try again in a moment",
        ),
        BeginError::NoToken => failed(),
        BeginError::Store(cause) => cause.into(),
    }
}
