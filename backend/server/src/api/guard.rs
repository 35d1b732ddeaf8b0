//! Who asks, and how often: in front of every operation.

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage as _, HttpRequest, web};
use kamiflow_domain::api::authenticate::{AuthenticateTokenError, authenticate};
use kamiflow_domain::ctx::Ctx;
use kamiflow_kernel::{Locale, SecretText};
use kamiflow_queue::{Bucket, Decision, Metered, Rate};
use std::time::Duration;
use tracing::error;

use super::ApiLimits;
use crate::application::State;
use crate::problem::Problem;
use crate::product::Product;
use crate::visitor;
use crate::web::Site;

const MINUTE: Duration = Duration::from_secs(60);
/// What a program is told that does not say who it is.
const CHALLENGE: &str = "Bearer realm=\"kamiflow\"";

/// The token of a request that was let in, for what is kept under it.
#[derive(Clone)]
pub(super) struct Presented(pub(super) SecretText);

/// Lets a request with a good token through, as often as its limit allows, and tells what is left.
pub(super) async fn guard(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let (ctx, token) = match recognize(request.request()).await {
        Ok(known) => known,
        Err(problem) => return Ok(request.into_response(problem.answer())),
    };
    let limits = match meter(request.request(), &ctx).await {
        Ok(limits) => limits,
        Err(problem) => return Ok(request.into_response(problem.answer())),
    };
    let mut answer = if let Decision::RetryAfter(wait) = limits.metered.decision {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "limit.reached", "Too many requests with this token");
        let mut answer = problem.answer();
        set_number(answer.headers_mut(), header::RETRY_AFTER, seconds(wait));
        request.into_response(answer)
    } else {
        request.extensions_mut().insert(ctx);
        request.extensions_mut().insert(Presented(token));
        next.call(request).await?.map_into_boxed_body()
    };
    limits.tell(answer.headers_mut());
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn unavailable() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "server.unavailable", "The server cannot answer now; try again")
}

/// Returns what the token of a request is worth.
async fn recognize(request: &HttpRequest) -> Result<(Ctx, SecretText), Problem> {
    let unauthorized = |code, title| Problem::new(StatusCode::UNAUTHORIZED, code, title);
    let token = bearer(request)
        .ok_or_else(|| unauthorized("token.missing", "This address needs a token").challenging(CHALLENGE))?;
    let parts = (request.app_data::<web::Data<Site>>(), request.app_data::<web::Data<Product>>());
    let (Some(site), Some(product)) = parts else { return Err(unavailable()) };
    let visit = visitor::visit(request, site, product.engine.now(), Locale::default());
    match authenticate(&product.engine.store, &visit, &token).await {
        Ok(ctx) => Ok((ctx, token)),
        Err(AuthenticateTokenError::Refused) => {
            let problem =
                unauthorized("token.refused", "The token is not good: it was revoked, has ended, or never was");
            Err(problem.challenging(format!("{CHALLENGE}, error=\"invalid_token\"")))
        }
        Err(AuthenticateTokenError::Store(cause)) => Err(cause.into()),
    }
}

/// Returns what stands behind `Bearer` in the one header of its name.
fn bearer(request: &HttpRequest) -> Option<SecretText> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let (Some(value), None) = (headers.next(), headers.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| SecretText::from(token.trim()))
}

/// What is left of a token's limit.
struct Limits {
    limit: ApiLimits,
    metered: Metered,
}

async fn meter(request: &HttpRequest, ctx: &Ctx) -> Result<Limits, Problem> {
    let parts = (request.app_data::<web::Data<State>>(), request.app_data::<web::Data<Product>>(), ctx.api_caller());
    let (Some(state), Some(product), Some(caller)) = parts else { return Err(unavailable()) };
    let limit = product.api;
    let rate = Rate { count: limit.requests_per_minute, period: MINUTE, burst: limit.burst };
    let metered = match Bucket::new("api", &caller.token.to_string(), rate) {
        Ok(bucket) => state.dependencies.queue.limiter().meter(&bucket).await,
        Err(cause) => Err(cause),
    };
    match metered {
        Ok(metered) => Ok(Limits { limit, metered }),
        Err(cause) => {
            let error: &dyn std::error::Error = &cause;
            error!(error, "Requests of the API cannot be counted, so none is allowed");
            Err(unavailable())
        }
    }
}

impl Limits {
    /// Tells the limit, what is left of it, and after how many seconds all of it is there again.
    fn tell(&self, headers: &mut HeaderMap) {
        let ApiLimits { requests_per_minute, burst } = self.limit;
        set_number(headers, HeaderName::from_static("ratelimit-limit"), u64::from(burst));
        set_number(headers, HeaderName::from_static("ratelimit-remaining"), u64::from(self.metered.left));
        set_number(headers, HeaderName::from_static("ratelimit-reset"), seconds(self.metered.full_after));
        if let Ok(policy) = HeaderValue::from_str(&format!("{requests_per_minute};w=60;burst={burst}")) {
            headers.insert(HeaderName::from_static("ratelimit-policy"), policy);
        }
    }
}

fn set_number(headers: &mut HeaderMap, name: HeaderName, number: u64) {
    headers.insert(name, HeaderValue::from(number));
}

/// Rounds up: who comes after so many seconds does not come too early.
fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn token_of(headers: &[&str]) -> Option<String> {
        let mut request = TestRequest::default();
        for header in headers {
            request = request.append_header(("authorization", *header));
        }
        bearer(&request.to_http_request()).map(|token| token.expose().to_owned())
    }

    #[test]
    fn one_bearer_token_is_read_and_nothing_else() {
        assert_eq!(token_of(&["Bearer kf_live_x"]).as_deref(), Some("kf_live_x"));
        assert_eq!(token_of(&["bearer  kf_live_x"]).as_deref(), Some("kf_live_x"));
        for bad in [&[][..], &["kf_live_x"], &["Basic a2Y6"], &["Bearer a", "Bearer b"]] {
            assert_eq!(token_of(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn seconds_are_rounded_up() {
        assert_eq!([0, 1, 999, 1000, 1001].map(|ms| seconds(Duration::from_millis(ms))), [0, 1, 1, 1, 2]);
    }
}
