//! Management of message push.

use serde_json::json;

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    text::{JsonWriter, beijing},
};

/// `pdd.pmc.user.permit`.
pub(crate) fn permit(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let mall = call.mall()?;
    let topics: Vec<String> = call
        .params
        .get("topics")
        .unwrap_or("")
        .split(',')
        .map(|topic| topic.trim().to_owned())
        .filter(|topic| !topic.is_empty())
        .collect();
    let subscribed = &call.application.config.topics;
    if !subscribed.is_empty() && topics.iter().any(|topic| !subscribed.contains(topic)) {
        return Err(GatewayError::param("topics"));
    }
    call.world.hub.permit(call.client_id(), mall.id, topics, call.world.clock.now_ms());
    Ok(Payload::done("is_success"))
}

/// `pdd.pmc.user.get`.
pub(crate) fn user(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let owner_id: u64 = call.params.number("owner_id")?;
    let now_ms = call.world.clock.now_ms();
    let permit = call
        .world
        .hub
        .find_permit(call.client_id(), owner_id)
        .ok_or_else(|| GatewayError::business("60001", "用户未开通消息服务"))?;
    let is_live = call.world.tokens.clients_of(owner_id, now_ms).iter().any(|id| id == call.client_id());
    Payload::of(&json!({"pmc_user": {
        "owner_id": owner_id.to_string(),
        "created": beijing(permit.created_ms),
        "modified": beijing(permit.modified_ms),
        "is_expire": i64::from(!is_live),
        "topics": permit.topics,
    }}))
}

/// `pdd.pmc.user.cancel`.
pub(crate) fn cancel(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let owner_id: u64 = call.params.number("owner_id")?;
    let was_permitted = call.world.hub.cancel(call.client_id(), owner_id);
    let mut writer = JsonWriter::object(32);
    writer.flag("is_success", was_permitted);
    Ok(Payload(writer.finish()))
}

/// `pdd.pmc.accrue.query`.
pub(crate) fn backlog(call: &Call<'_>) -> Result<Payload, GatewayError> {
    Payload::of(&json!({ "number": call.world.hub.backlog(call.client_id()) }))
}
