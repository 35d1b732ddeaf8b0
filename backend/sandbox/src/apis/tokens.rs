//! `pdd.pop.auth.token.create` and `pdd.pop.auth.token.refresh`.

use serde::Serialize;

use crate::{
    apis::Call,
    envelope::{GatewayError, Payload},
    state::{
        World,
        application::Application,
        tokens::{Token, TokenRefusal},
    },
};

/// Fields of a token answer, also of the legacy endpoint.
#[derive(Debug, Serialize)]
pub(crate) struct TokenView {
    access_token: String,
    refresh_token: String,
    expires_in: i64,
    expires_at: i64,
    refresh_token_expires_in: i64,
    refresh_token_expires_at: i64,
    owner_id: String,
    owner_name: String,
    scope: Vec<&'static str>,
    r1_expires_in: i64,
    r1_expires_at: i64,
    r2_expires_in: i64,
    r2_expires_at: i64,
    w1_expires_in: i64,
    w1_expires_at: i64,
    w2_expires_in: i64,
    w2_expires_at: i64,
}

impl TokenView {
    pub(crate) fn new(world: &World, application: &Application, token: &Token) -> Self {
        let now_s = world.clock.now_ms().div_euclid(1000);
        let at = token.expires_ms.div_euclid(1000);
        let refresh_at = token.refresh_expires_ms.div_euclid(1000);
        let left = (at - now_s).max(0);
        Self {
            access_token: token.access_token.clone(),
            refresh_token: token.refresh_token.clone(),
            expires_in: left,
            expires_at: at,
            refresh_token_expires_in: (refresh_at - now_s).max(0),
            refresh_token_expires_at: refresh_at,
            owner_id: token.mall_id.to_string(),
            owner_name: world.mall(token.mall_id).map_or(String::new(), |mall| mall.owner_name()),
            scope: application.scope(),
            r1_expires_in: left,
            r1_expires_at: at,
            r2_expires_in: left,
            r2_expires_at: at,
            w1_expires_in: left,
            w1_expires_at: at,
            w2_expires_in: left,
            w2_expires_at: at,
        }
    }
}

/// No document lists the codes of a refused code or refresh token; these follow the main table.
pub(crate) fn refusal(refusal: TokenRefusal) -> GatewayError {
    match refusal {
        TokenRefusal::Unknown => GatewayError::gateway(20032),
        TokenRefusal::Expired => GatewayError::gateway(10019),
    }
}

pub(crate) fn create(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let code = call.params.text("code")?;
    let now_ms = call.world.clock.now_ms();
    let token = call.world.tokens.create(call.application, code, &call.world.dice, now_ms).map_err(refusal)?;
    Payload::of(&TokenView::new(call.world, call.application, &token))
}

pub(crate) fn refresh(call: &Call<'_>) -> Result<Payload, GatewayError> {
    let refresh_token = call.params.text("refresh_token")?;
    let now_ms = call.world.clock.now_ms();
    let token = call.world.tokens.refresh(call.application, refresh_token, now_ms).map_err(refusal)?;
    Payload::of(&TokenView::new(call.world, call.application, &token))
}
