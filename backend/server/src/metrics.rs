//! Metrics in the Prometheus text format, behind a token where one is configured.
//!
//! Counters are recorded where things happen. What is a level rather than an event is read when somebody asks: the
//! connections of the pool, and how much waits in Redis, so that a process without workers tells it too.

use std::time::Duration;

use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use kamiflow_kernel::SecretText;
use kamiflow_runtime::config::Pool;
use kamiflow_store::PoolUse;
use metrics::gauge;
use subtle::ConstantTimeEq as _;

use crate::application::{Dependencies, State};
use crate::health::read_only;
use crate::problem::Problem;

/// A scrape must not hang on a Redis that does; its gauges then keep their last values.
const PATIENCE: Duration = Duration::from_secs(1);

/// Adds the routes of this area.
pub(crate) fn configure(services: &mut web::ServiceConfig) {
    services.service(read_only("/metrics").route(web::route().to(metrics)));
}

async fn metrics(request: HttpRequest, state: web::Data<State>) -> HttpResponse {
    if let Some(token) = &state.metrics_token
        && !is_permitted(&request, token)
    {
        let mut answer =
            Problem::new(StatusCode::UNAUTHORIZED, "metrics.token_required", "Metrics ask for the bearer token")
                .at(request.path())
                .answer();
        answer.headers_mut().insert(header::WWW_AUTHENTICATE, header::HeaderValue::from_static("Bearer"));
        return answer;
    }
    record_levels(&state.dependencies).await;
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(state.dependencies.metrics.render())
}

/// Sets the gauges of what this process holds and of what waits for workers.
async fn record_levels(dependencies: &Dependencies) {
    let PoolUse { most, open, idle, waiting } = dependencies.store.pool_use();
    gauge!("kamiflow_database_connections_max").set(as_gauge(most));
    gauge!("kamiflow_database_connections", "state" => "idle").set(as_gauge(idle));
    gauge!("kamiflow_database_connections", "state" => "used").set(as_gauge(open.saturating_sub(idle)));
    gauge!("kamiflow_database_waiting").set(as_gauge(waiting));
    let counted = async {
        for pool in Pool::ALL {
            dependencies.queue.stats(pool.as_str()).await?.record();
        }
        Ok::<(), kamiflow_queue::QueueError>(())
    };
    let answers = matches!(tokio::time::timeout(PATIENCE, counted).await, Ok(Ok(())));
    gauge!("kamiflow_redis_up").set(if answers { 1.0 } else { 0.0 });
}

/// Connections are counted in hundreds.
fn as_gauge(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Compares in constant time: how long a refusal takes must not tell how much of a token was right.
fn is_permitted(request: &HttpRequest, token: &SecretText) -> bool {
    let given = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some((scheme, given)) = given.and_then(|value| value.split_once(' ')) else { return false };
    scheme.eq_ignore_ascii_case("bearer") && bool::from(given.trim().as_bytes().ct_eq(token.expose().as_bytes()))
}
