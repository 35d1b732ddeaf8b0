//! What really happened: ledger, calls, push queues, and the import key.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Data, Path, Query},
};
use serde::Deserialize;
use serde_json::json;

use super::{not_found, problem};
use crate::{
    state::{World, ledger::LedgerView, lock},
    text::glob_matches,
};

#[derive(Debug, Deserialize)]
pub(super) struct LedgerQuery {
    mall_id: Option<u64>,
    order_sn: Option<String>,
}

pub(super) async fn ledger(query: Query<LedgerQuery>, world: Data<World>) -> HttpResponse {
    let mut view = LedgerView::default();
    for mall in world.all_malls() {
        if query.mall_id.is_none_or(|wanted| wanted == mall.id) {
            lock(&mall.state).view_ledger(query.order_sn.as_deref(), &mut view);
        }
    }
    HttpResponse::Ok().json(view)
}

#[derive(Debug, Deserialize)]
pub(super) struct CallQuery {
    api: Option<String>,
    mall_id: Option<u64>,
    client_id: Option<String>,
    code: Option<i64>,
    limit: Option<usize>,
}

pub(super) async fn calls(query: Query<CallQuery>, world: Data<World>) -> HttpResponse {
    let calls = world.calls.latest(query.limit.unwrap_or(100), |call| {
        query.api.as_ref().is_none_or(|wanted| glob_matches(wanted, &call.api))
            && query.mall_id.is_none_or(|wanted| Some(wanted) == call.mall_id)
            && query.client_id.as_ref().is_none_or(|wanted| *wanted == call.client_id)
            && query.code.is_none_or(|wanted| wanted == call.code)
    });
    HttpResponse::Ok().json(json!({ "calls": calls }))
}

pub(super) async fn clear_calls(world: Data<World>) -> HttpResponse {
    world.calls.clear();
    HttpResponse::NoContent().finish()
}

pub(super) async fn count_calls(world: Data<World>) -> HttpResponse {
    let (total, by_api) = world.calls.counts();
    HttpResponse::Ok().json(json!({ "total": total, "by_api": by_api }))
}

pub(super) async fn push(world: Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "applications": world.hub.counts() }))
}

pub(super) async fn disconnect(client_id: Path<String>, world: Data<World>) -> HttpResponse {
    if world.application(&client_id).is_none() {
        return not_found("application");
    }
    HttpResponse::Ok().json(json!({ "disconnected": world.hub.disconnect_all(&client_id) }))
}

pub(super) async fn import_key(world: Data<World>) -> HttpResponse {
    match world.import_key() {
        Ok(key) => HttpResponse::Ok().json(json!({ "public_key_pem": key.public_pem() })),
        Err(message) => problem(StatusCode::INTERNAL_SERVER_ERROR, message),
    }
}
