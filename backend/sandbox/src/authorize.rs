//! The authorization page a merchant clicks through, and the legacy token endpoint.

use actix_web::{
    HttpResponse,
    http::{StatusCode, header::LOCATION},
    web::{Bytes, Data, Form, Query},
};
use serde::Deserialize;
use url::Url;

use crate::{
    apis::tokens::{TokenView, refusal},
    envelope::{escaped, failure},
    params::Params,
    state::{World, application::Application},
};

/// Parameters of the page and, with `mall_id`, of its form.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    response_type: Option<String>,
    client_id: Option<String>,
    redirect_uri: Option<String>,
    state: Option<String>,
    mall_id: Option<u64>,
}

/// A request that was found in order.
struct Checked {
    application: std::sync::Arc<Application>,
    redirect_uri: Url,
    state: String,
}

fn check(world: &World, request: &Request) -> Result<Checked, &'static str> {
    if request.response_type.as_deref().unwrap_or("code") != "code" {
        return Err("response_type 只支持 code");
    }
    let client_id = request.client_id.as_deref().unwrap_or("");
    let application = world.application(client_id).ok_or("应用不存在或已下线")?;
    let redirect_uri = request.redirect_uri.as_deref().unwrap_or("");
    let registered = &application.config.redirect_uris;
    if !registered.is_empty() && !registered.iter().any(|known| known == redirect_uri) {
        return Err("redirect_uri 与应用登记的回调地址不一致");
    }
    let redirect_uri = Url::parse(redirect_uri)
        .ok()
        .filter(|url| matches!(url.scheme(), "http" | "https"))
        .ok_or("redirect_uri 不是有效的网址")?;
    Ok(Checked { application, redirect_uri, state: request.state.clone().unwrap_or_default() })
}

/// Shows the malls to choose from.
pub(crate) async fn page(request: Query<Request>, world: Data<World>) -> HttpResponse {
    let checked = match check(&world, &request) {
        Ok(checked) => checked,
        Err(message) => return refused(message),
    };
    let malls: String = world
        .all_malls()
        .iter()
        .enumerate()
        .map(|(at, mall)| {
            format!(
                "<p><label><input type=\"radio\" name=\"mall_id\" value=\"{id}\" required{checked}> \
                 {name}（店铺 {id}）</label></p>\n",
                id = mall.id,
                name = escaped(&mall.name),
                checked = if at == 0 { " checked" } else { "" },
            )
        })
        .collect();
    let hidden: String = [
        ("response_type", "code"),
        ("client_id", &checked.application.config.client_id),
        ("redirect_uri", request.redirect_uri.as_deref().unwrap_or("")),
        ("state", &checked.state),
    ]
    .iter()
    .map(|(name, value)| format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">\n", escaped(value)))
    .collect();
    let scope = checked.application.scope().len();
    html(
        StatusCode::OK,
        "店铺授权",
        &format!(
            "<p>应用 <strong>{}</strong>（{}）申请使用您的店铺数据，共 {scope} 个接口。</p>\n\
             <form method=\"post\">\n{hidden}<fieldset><legend>请选择要授权的店铺</legend>\n{malls}\
             </fieldset>\n<p><button type=\"submit\">同意授权并登录</button></p>\n</form>",
            escaped(&checked.application.config.client_id),
            escaped(&checked.application.config.application_type),
        ),
    )
}

/// Issues a code for the chosen mall and sends the browser back.
pub(crate) async fn choose(request: Form<Request>, world: Data<World>) -> HttpResponse {
    let mut checked = match check(&world, &request) {
        Ok(checked) => checked,
        Err(message) => return refused(message),
    };
    let Some(mall) = request.mall_id.and_then(|mall_id| world.mall(mall_id)) else {
        return refused("请选择要授权的店铺");
    };
    let client_id = &checked.application.config.client_id;
    let now_ms = world.clock.now_ms();
    let malls = world.tokens.malls_of(client_id, now_ms);
    if !malls.contains(&mall.id) && malls.len() >= checked.application.max_malls() {
        return refused("应用的授权店铺数已达上限");
    }
    let code = world.tokens.authorize(client_id, mall.id, &world.dice, now_ms);
    checked.redirect_uri.query_pairs_mut().append_pair("code", &code).append_pair("state", &checked.state);
    HttpResponse::Found().insert_header((LOCATION, checked.redirect_uri.as_str())).finish()
}

fn refused(message: &str) -> HttpResponse {
    html(StatusCode::BAD_REQUEST, "无法授权", &format!("<p role=\"alert\">{message}</p>"))
}

fn html(status: StatusCode, title: &str, content: &str) -> HttpResponse {
    HttpResponse::build(status).content_type("text/html; charset=utf-8").body(format!(
        "<!DOCTYPE html>\n<html lang=\"zh-CN\">\n<head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>{title} - 拼多多开放平台（演练）</title>\n\
         <style>body{{font-family:sans-serif;max-width:32rem;margin:4rem auto;padding:0 1rem}}\
         button{{background:#b3131d;color:#fff;border:0;border-radius:4px;padding:.6rem 1.5rem;\
         font-size:1rem}}</style></head>\n\
         <body><main>\n<h1>{title}</h1>\n<p>这是演练环境，不是真正的拼多多。</p>\n{content}\n\
         </main></body>\n</html>\n"
    ))
}

/// `POST /oauth/token`: the same fields without a wrapper.
pub(crate) async fn legacy_token(http: actix_web::HttpRequest, body: Bytes, world: Data<World>) -> HttpResponse {
    let content_type = http.headers().get("content-type").and_then(|value| value.to_str().ok()).unwrap_or("");
    let answer = Params::parse(http.query_string(), content_type, &body).and_then(|params| {
        let application = world
            .application(params.common("client_id")?)
            .filter(|found| params.get("client_secret") == Some(&found.config.client_secret))
            .ok_or_else(|| crate::envelope::GatewayError::gateway(10016))?;
        let now_ms = world.clock.now_ms();
        let token = match params.common("grant_type")? {
            "authorization_code" => world.tokens.create(&application, params.text("code")?, &world.dice, now_ms),
            "refresh_token" => world.tokens.refresh(&application, params.text("refresh_token")?, now_ms),
            _ => return Err(crate::envelope::GatewayError::common("grant_type")),
        };
        Ok(TokenView::new(&world, &application, &*token.map_err(refusal)?))
    });
    match answer {
        Ok(view) => HttpResponse::Ok().json(view),
        Err(error) => {
            HttpResponse::Ok().content_type("application/json").body(failure(&error, world.next_request_id()).body)
        }
    }
}
