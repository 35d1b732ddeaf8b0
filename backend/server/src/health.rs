//! Liveness and readiness. A process is alive while it answers, and ready while its loops turn and its servers answer.

use std::future::Future;
use std::time::Duration;

use actix_web::http::header;
use actix_web::{HttpResponse, guard, web};
use kamiflow_store::migrate::SchemaState;
use kamiflow_store::startup::{self, Obstacle};
use serde::Serialize;
use tracing::warn;

use crate::application::{Dependencies, State};
use crate::problem;

/// A server that needs longer to answer would not serve requests either; probes give up after a few seconds.
const PATIENCE: Duration = Duration::from_secs(2);

/// Adds the routes of this area.
pub(crate) fn configure(services: &mut web::ServiceConfig) {
    services.service(read_only("/healthz").route(web::route().to(healthz)));
    services.service(read_only("/readyz").route(web::route().to(readyz)));
}

/// A resource that can be read and nothing else.
pub(crate) fn read_only(path: &str) -> actix_web::Resource {
    let other = guard::fn_guard(|context| !matches!(context.head().method.as_str(), "GET" | "HEAD"));
    web::resource(path).route(web::route().guard(other).to(problem::method_not_allowed))
}

/// One thing readiness depends on.
#[derive(Debug, Serialize)]
struct Check {
    name: String,
    ok: bool,
    detail: String,
}

#[derive(Debug, Serialize)]
struct Readiness {
    ready: bool,
    checks: Vec<Check>,
}

async fn healthz() -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).content_type("text/plain").body("ok\n")
}

/// Reasons are fixed words: what a server said goes to the log, not to whoever asks.
async fn readyz(state: web::Data<State>) -> HttpResponse {
    let dependencies = &state.dependencies;
    let (database, redis) = tokio::join!(
        check("database", startup::list_obstacles(&dependencies.store)),
        check("redis", async { dependencies.queue.ping().await })
    );
    let mut checks = vec![database.0, redis.0];
    checks.extend(database.1.iter().flat_map(|obstacles| fitness(obstacles)));
    checks.extend(dependencies.health.report().into_iter().map(|turn| Check {
        name: format!("loop:{}", turn.name),
        ok: turn.is_alive(),
        detail: format!("last turn {} s ago, allowed {} s", turn.silence.as_secs(), turn.allowed_silence.as_secs()),
    }));
    let ready = checks.iter().all(|check| check.ok);
    let mut answer = if ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    answer.insert_header((header::CACHE_CONTROL, "no-store")).json(Readiness { ready, checks })
}

async fn check<T, E: std::error::Error + 'static>(
    name: &str,
    asked: impl Future<Output = Result<T, E>>,
) -> (Check, Option<T>) {
    let (answer, detail) = match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(answer)) => (Some(answer), "answers"),
        Ok(Err(error)) => {
            let cause: &dyn std::error::Error = &error;
            warn!(check = name, error = cause, "Not ready: {name} refuses");
            (None, "refuses")
        }
        Err(_late) => {
            warn!(check = name, "Not ready: {name} did not answer within {} s", PATIENCE.as_secs());
            (None, "does not answer")
        }
    };
    (Check { name: name.to_owned(), ok: answer.is_some(), detail: detail.to_owned() }, answer)
}

/// Returns whether database and Redis answer, for people.
pub(crate) async fn condition(dependencies: &Dependencies) -> (bool, bool) {
    let (database, redis) = tokio::join!(
        check("database", startup::list_obstacles(&dependencies.store)),
        check("redis", async { dependencies.queue.ping().await })
    );
    (database.0.ok, redis.0.ok)
}

/// Returns whether the database is still one this process may work on.
///
/// A schema that became newer under a running process is no reason to stop: migrations first only add (ARCHITECTURE.md),
/// and a process that went unready then would leave nobody to serve until the new version is up. Only a start is refused.
fn fitness(obstacles: &[Obstacle]) -> [Check; 2] {
    let mut schema = Check { name: "schema".to_owned(), ok: true, detail: "fits".to_owned() };
    let mut key_ring = Check { name: "key_ring".to_owned(), ok: true, detail: "complete".to_owned() };
    for obstacle in obstacles {
        let (check, ok, detail) = match obstacle {
            Obstacle::Schema(SchemaState::Newer(_)) => (&mut schema, true, "newer than this process"),
            Obstacle::Schema(SchemaState::Current) => (&mut schema, true, "fits"),
            Obstacle::Schema(SchemaState::Unmigrated) => (&mut schema, false, "missing"),
            Obstacle::Schema(SchemaState::Older(_)) => (&mut schema, false, "older than this process"),
            Obstacle::MasterKeyMissing { .. } => (&mut key_ring, false, "lacks a master key in use"),
            Obstacle::MasterKeyWrong { .. } => (&mut key_ring, false, "has a wrong master key"),
        };
        warn!(check = check.name, "{obstacle}; {}", obstacle.cure());
        (check.ok, check.detail) = (ok, detail.to_owned());
    }
    [schema, key_ring]
}
