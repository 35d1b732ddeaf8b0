//! What the platform's operators do: applications, malls, goods, clock, limits, faults, tokens.

use actix_web::{
    HttpResponse,
    http::StatusCode,
    web::{Bytes, Data, Path},
};
use serde::Deserialize;
use serde_json::json;

use super::{conflict, not_found, parse, parse_list, problem};
use crate::{
    faults::FaultRule,
    scenario::{self, Limits},
    state::{Switches, World, flow, lock, tokens::Token, write},
};

fn unusable(message: &impl ToString) -> HttpResponse {
    problem(StatusCode::UNPROCESSABLE_ENTITY, &message.to_string())
}

pub(super) async fn put_application(body: Bytes, world: Data<World>) -> HttpResponse {
    let application: scenario::Application = match parse(&body) {
        Ok(application) => application,
        Err(unusable) => return unusable.response(),
    };
    if let Err(error) = application.check("application") {
        return unusable(&error);
    }
    let client_id = application.client_id.clone();
    world.put_application(application);
    HttpResponse::Ok().json(json!({ "client_id": client_id }))
}

pub(super) async fn add_mall(body: Bytes, world: Data<World>) -> HttpResponse {
    let mall: scenario::Mall = match parse(&body) {
        Ok(mall) => mall,
        Err(unusable) => return unusable.response(),
    };
    if let Err(error) = mall.check("mall") {
        return unusable(&error);
    }
    if mall.tokens.iter().any(|token| world.application(&token.client_id).is_none()) {
        return not_found("application");
    }
    if world.mall(mall.mall_id).is_some() {
        return conflict("the mall exists");
    }
    world.add_mall(&mall);
    HttpResponse::Created().json(json!({ "mall_id": mall.mall_id }))
}

pub(super) async fn list_malls(world: Data<World>) -> HttpResponse {
    let malls: Vec<_> = world
        .all_malls()
        .iter()
        .map(|mall| {
            let state = lock(&mall.state);
            let goods: Vec<_> = state.goods.values().map(|goods| &goods.config).collect();
            let stock: std::collections::BTreeMap<_, _> =
                state.stock.iter().map(|(sku_id, codes)| (*sku_id, codes.len())).collect();
            json!({
                "mall_id": mall.id,
                "name": mall.name,
                "orders": state.orders.len(),
                "goods": goods,
                "card_stock": stock,
            })
        })
        .collect();
    HttpResponse::Ok().json(json!({ "malls": malls }))
}

pub(super) async fn put_goods(mall_id: Path<u64>, body: Bytes, world: Data<World>) -> HttpResponse {
    let goods: scenario::Goods = match parse(&body) {
        Ok(goods) => goods,
        Err(unusable) => return unusable.response(),
    };
    if let Err(error) = goods.check("goods") {
        return unusable(&error);
    }
    let Some(mall) = world.mall(*mall_id) else { return not_found("mall") };
    let goods_id = goods.goods_id;
    let sku_ids: Vec<u64> = goods.skus.iter().map(|sku| sku.sku_id).collect();
    world.change(&mall, |state, effects| {
        state.put_goods(goods);
        for sku_id in sku_ids {
            flow::serve_waiting(state, effects, sku_id);
        }
    });
    HttpResponse::Ok().json(json!({ "goods_id": goods_id }))
}

pub(super) async fn clock(world: Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "now_ms": world.clock.now_ms() }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: f64,
}

pub(super) async fn advance_clock(body: Bytes, world: Data<World>) -> HttpResponse {
    let Advance { seconds } = match parse(&body) {
        Ok(advance) => advance,
        Err(unusable) => return unusable.response(),
    };
    if !(seconds.is_finite() && seconds >= 0.0) {
        return unusable(&"seconds must not be negative");
    }
    let now_ms = world.clock.advance(flow::to_ms(seconds));
    let events = world.run_due();
    world.hub.dispatch(&world);
    HttpResponse::Ok().json(json!({ "now_ms": now_ms, "events": events }))
}

pub(super) async fn set_limits(body: Bytes, world: Data<World>) -> HttpResponse {
    let limits: Limits = match parse(&body) {
        Ok(limits) => limits,
        Err(unusable) => return unusable.response(),
    };
    if !(limits.factor.is_finite() && limits.factor > 0.0) {
        return unusable(&"factor must be above 0");
    }
    world.limits.set(limits);
    world.totals.reset();
    for mall in world.all_malls() {
        mall.windows.reset();
    }
    HttpResponse::NoContent().finish()
}

pub(super) async fn switches(world: Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(world.switches())
}

/// Switches to change; what is left out stays, and a group is given whole or in part (its other
/// keys then take their defaults).
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SwitchChange {
    ids_as: Option<scenario::IdsAs>,
    latency_ms: Option<u64>,
    voucher_send: Option<scenario::VoucherSend>,
    logistics: Option<scenario::Logistics>,
    ota: Option<scenario::Ota>,
    refunds: Option<scenario::Refunds>,
    pmc: Option<scenario::Pmc>,
}

pub(super) async fn set_switches(body: Bytes, world: Data<World>) -> HttpResponse {
    let change: SwitchChange = match parse(&body) {
        Ok(change) => change,
        Err(unusable) => return unusable.response(),
    };
    let now = world.switches();
    let next = Switches {
        ids_as: change.ids_as.unwrap_or(now.ids_as),
        latency_ms: change.latency_ms.unwrap_or(now.latency_ms),
        voucher_send: change.voucher_send.unwrap_or(now.voucher_send),
        logistics: change.logistics.unwrap_or(now.logistics),
        ota: change.ota.unwrap_or(now.ota),
        refunds: change.refunds.unwrap_or(now.refunds),
        pmc: change.pmc.unwrap_or(now.pmc),
    };
    *write(&world.switches) = next;
    HttpResponse::Ok().json(next)
}

pub(super) async fn add_faults(body: Bytes, world: Data<World>) -> HttpResponse {
    let rules: Vec<FaultRule> = match parse_list(&body) {
        Ok(rules) => rules,
        Err(unusable) => return unusable.response(),
    };
    if let Some(message) = rules.iter().find_map(|rule| rule.check().err()) {
        return unusable(&message);
    }
    let fault_ids: Vec<u64> = rules.into_iter().map(|rule| world.faults.add(rule)).collect();
    HttpResponse::Created().json(json!({ "fault_ids": fault_ids }))
}

pub(super) async fn list_faults(world: Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "faults": world.faults.list() }))
}

pub(super) async fn clear_faults(world: Data<World>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "cleared": world.faults.clear(None) }))
}

pub(super) async fn clear_fault(fault_id: Path<u64>, world: Data<World>) -> HttpResponse {
    match world.faults.clear(Some(*fault_id)) {
        0 => not_found("fault"),
        cleared => HttpResponse::Ok().json(json!({ "cleared": cleared })),
    }
}

/// Which tokens; all of those that fit every key given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TokenChoice {
    access_token: Option<String>,
    client_id: Option<String>,
    mall_id: Option<u64>,
}

impl TokenChoice {
    fn fits(&self, token: &Token) -> bool {
        self.access_token.as_ref().is_none_or(|wanted| *wanted == token.access_token)
            && self.client_id.as_ref().is_none_or(|wanted| *wanted == token.client_id)
            && self.mall_id.is_none_or(|wanted| wanted == token.mall_id)
    }
}

pub(super) async fn list_tokens(world: Data<World>) -> HttpResponse {
    let tokens = world.tokens.list();
    let tokens: Vec<&Token> = tokens.iter().map(|token| &**token).collect();
    HttpResponse::Ok().json(json!({ "tokens": tokens }))
}

pub(super) async fn expire_tokens(body: Bytes, world: Data<World>) -> HttpResponse {
    match parse::<TokenChoice>(&body) {
        Ok(choice) => {
            let count = world.tokens.expire(|token| choice.fits(token), world.clock.now_ms());
            HttpResponse::Ok().json(json!({ "expired": count }))
        }
        Err(unusable) => unusable.response(),
    }
}

pub(super) async fn revoke_tokens(body: Bytes, world: Data<World>) -> HttpResponse {
    match parse::<TokenChoice>(&body) {
        Ok(choice) => {
            let count = world.tokens.revoke(|token| choice.fits(token));
            HttpResponse::Ok().json(json!({ "revoked": count }))
        }
        Err(unusable) => unusable.response(),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Authorize {
    client_id: String,
    mall_id: u64,
}

/// Does what a click on the authorization page does and returns the code.
pub(super) async fn authorize(body: Bytes, world: Data<World>) -> HttpResponse {
    let Authorize { client_id, mall_id } = match parse(&body) {
        Ok(request) => request,
        Err(unusable) => return unusable.response(),
    };
    if world.application(&client_id).is_none() {
        return not_found("application");
    }
    if world.mall(mall_id).is_none() {
        return not_found("mall");
    }
    let now_ms = world.clock.now_ms();
    let code = world.tokens.authorize(&client_id, mall_id, &world.dice, now_ms);
    HttpResponse::Created().json(json!({ "code": code }))
}
