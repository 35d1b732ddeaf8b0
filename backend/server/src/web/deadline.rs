//! No answer takes for ever.

use std::time::Duration;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::middleware::Next;

use super::refusal::Refusal;

/// How long an answer may take to begin; what it then streams has its own pace.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers 503 in place of a handler that does not come to an end.
pub(crate) async fn deadline(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // Prepared beforehand: the request itself goes down with the handler, and routing forbids a second handle to it.
    let refusal = Refusal::of(request.request());
    match tokio::time::timeout(PATIENCE, next.call(request)).await {
        Ok(answer) => answer,
        Err(late) => {
            let answer = refusal.answer(StatusCode::SERVICE_UNAVAILABLE, "server.busy");
            Err(InternalError::from_response(late, answer).into())
        }
    }
}
