//! Answers of the gateway: response keys, the error envelope and its code table.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::text::JsonWriter;

/// A refused call, as the error envelope shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct GatewayError {
    pub(crate) code: i64,
    pub(crate) message: String,
    pub(crate) sub_code: Option<String>,
    pub(crate) sub_message: String,
}

impl GatewayError {
    /// Returns an error of the gateway itself: code and sub code agree.
    pub(crate) fn gateway(code: i64) -> Self {
        let message = official_text(code).to_owned();
        Self { code, sub_code: Some(code.to_string()), sub_message: message.clone(), message }
    }

    fn named(code: i64, name: &str) -> Self {
        let message = format!("{}:{name}", official_text(code));
        Self { code, sub_code: Some(code.to_string()), sub_message: message.clone(), message }
    }

    /// Returns 10001 for a missing or wrong common parameter.
    pub(crate) fn common(name: &str) -> Self {
        Self::named(10001, name)
    }

    /// Returns 10000 for a missing or wrong business parameter.
    pub(crate) fn param(name: &str) -> Self {
        Self::named(10000, name)
    }

    /// Returns 50001 with an API's own sub code.
    pub(crate) fn business(sub_code: &str, text: &str) -> Self {
        Self {
            code: 50001,
            message: official_text(50001).to_owned(),
            sub_code: Some(sub_code.to_owned()),
            sub_message: text.to_owned(),
        }
    }

    /// Returns 50001 whose text stands in both places and whose sub code is null, as recorded for
    /// window errors.
    pub(crate) fn plain(text: &str) -> Self {
        Self { code: 50001, message: text.to_owned(), sub_code: None, sub_message: text.to_owned() }
    }

    /// Returns the recorded answer for an order that is unknown or of another mall.
    pub(crate) fn foreign_order() -> Self {
        Self::business("45001", "订单不属于当前店铺或订单不存在")
    }
}

/// Returns the official text of a main code.
pub(crate) fn official_text(code: i64) -> &'static str {
    match code {
        10000 => "参数错误",
        10001 => "公共参数错误",
        10016 => "client下线或者clientId不正确",
        10017 => "type不正确",
        10018 => "target_client_id下线或者不正确",
        10019 => "access_token已过期",
        20004 => "签名验证失败",
        20005 => "ip无权访问接口，请加入ip白名单",
        20031 => "用户没有授权访问此接口",
        20032 => "access_token或client_id错误",
        20034 => "接口处于下线状态",
        20035 => "接口不属于当前网关",
        21001 => "请求参数错误",
        21002 => "请求参数不能为空",
        30000 => "没有调用此target接口权限",
        30001 => "client_id和partner_id不匹配",
        50000 => "系统内部错误",
        50002 => "业务系统内部异常",
        52001 => "网关业务服务错误",
        52002 => "网关系统内部异常",
        52004 => "请求body 太大",
        52101 => "当前接口被限流，请稍后重试",
        52102 => "当前接口暂时不可用，请稍后重试",
        52103 => "服务暂时不可用，请稍后重试",
        70031 => "调用过于频繁，请调整调用频率",
        70032 => "当前请求被禁止调用",
        70033 => "当前接口因系统维护，暂时下线，请稍后再试！",
        70034 => "当前用户或应用存在风险，禁止调用！",
        70035 => "当前用户或应用存在风险，禁止调用！请联系ddjb@pinduoduo.com",
        70036 => "应用处于测试状态，调用次数被限制",
        _ => "业务服务错误",
    }
}

/// Payload of a successful call: one JSON object, without its wrapper.
#[derive(Debug)]
pub(crate) struct Payload(pub(crate) Vec<u8>);

impl Payload {
    pub(crate) fn of(view: &impl Serialize) -> Result<Self, GatewayError> {
        serde_json::to_vec(view).map(Self).map_err(|error| {
            tracing::error!(%error, "A payload could not be written");
            GatewayError::gateway(52002)
        })
    }

    /// Returns `{"<field>":true}`, the payload of most writes.
    pub(crate) fn done(field: &str) -> Self {
        let mut writer = JsonWriter::object(32);
        writer.flag(field, true);
        Self(writer.finish())
    }
}

/// What goes out for a call, with the parts faults and the call log look at.
#[derive(Debug)]
pub(crate) struct Answer {
    /// 0, or the main error code.
    pub(crate) code: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) is_xml: bool,
}

/// Wraps a payload in its response key; an empty key stands for no wrapper.
pub(crate) fn success(key: &str, payload: Payload, request_id: u64) -> Answer {
    let Payload(mut fields) = payload;
    fields.pop();
    if fields.last() != Some(&b'{') {
        fields.push(b',');
    }
    fields.extend_from_slice(b"\"request_id\":\"");
    fields.extend_from_slice(request_id.to_string().as_bytes());
    fields.extend_from_slice(b"\"}");
    if key.is_empty() {
        return Answer { code: 0, body: fields, is_xml: false };
    }
    let mut body = Vec::with_capacity(fields.len() + key.len() + 5);
    body.extend_from_slice(b"{\"");
    body.extend_from_slice(key.as_bytes());
    body.extend_from_slice(b"\":");
    body.append(&mut fields);
    body.push(b'}');
    Answer { code: 0, body, is_xml: false }
}

/// Writes the error envelope.
pub(crate) fn failure(error: &GatewayError, request_id: u64) -> Answer {
    let mut writer = JsonWriter::object(256);
    writer.open_object("error_response");
    writer.string("error_msg", &error.message);
    writer.string("sub_msg", &error.sub_message);
    match &error.sub_code {
        Some(sub_code) => writer.string("sub_code", sub_code),
        None => writer.null("sub_code"),
    }
    writer.integer("error_code", error.code);
    writer.string("request_id", &request_id.to_string());
    writer.close_object();
    Answer { code: error.code, body: writer.finish(), is_xml: false }
}

/// Rewrites an answer as XML. The platform documents the option without a sample, so the rendering
/// (elements named like the keys, repeated for arrays) is ours.
pub(crate) fn as_xml(answer: Answer) -> Answer {
    let Ok(tree) = serde_json::from_slice::<Map<String, Value>>(&answer.body) else {
        return answer;
    };
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let wrap = tree.len() != 1;
    if wrap {
        text.push_str("<response>");
    }
    for (key, value) in &tree {
        write_element(key, value, &mut text);
    }
    if wrap {
        text.push_str("</response>");
    }
    Answer { code: answer.code, body: text.into_bytes(), is_xml: true }
}

fn write_element(key: &str, value: &Value, text: &mut String) {
    if let Value::Array(items) = value {
        for item in items {
            write_element(key, item, text);
        }
        return;
    }
    text.push_str(&format!("<{key}>"));
    match value {
        Value::Object(fields) => {
            for (key, value) in fields {
                write_element(key, value, text);
            }
        }
        Value::String(leaf) => text.push_str(&escaped(leaf)),
        Value::Null | Value::Array(_) => {}
        leaf => text.push_str(&leaf.to_string()),
    }
    text.push_str(&format!("</{key}>"));
}

/// Returns `text` safe between tags and inside double-quoted attributes of XML and HTML.
pub(crate) fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(answer: Answer) -> String {
        String::from_utf8(answer.body).unwrap()
    }

    #[test]
    fn payloads_are_wrapped_and_carry_a_request_id() {
        assert_eq!(text(success("r", Payload::done("is_success"), 7)), r#"{"r":{"is_success":true,"request_id":"7"}}"#);
        assert_eq!(text(success("", Payload(b"{}".to_vec()), 7)), r#"{"request_id":"7"}"#);
    }

    #[test]
    fn errors_have_the_recorded_shape() {
        assert_eq!(
            text(failure(&GatewayError::gateway(20004), 17_043_503_757_231_146)),
            r#"{"error_response":{"error_msg":"签名验证失败","sub_msg":"签名验证失败","sub_code":"20004","error_code":20004,"request_id":"17043503757231146"}}"#
        );
        let window = GatewayError::plain("时间跨度不能超过24小时");
        assert!(text(failure(&window, 1)).contains(r#""sub_code":null,"error_code":50001"#));
    }

    #[test]
    fn xml_escapes_text() {
        let answer = Answer { code: 0, body: br#"{"a":{"b":["<1>",2],"c":null}}"#.to_vec(), is_xml: false };
        assert!(text(as_xml(answer)).ends_with("<a><b>&lt;1&gt;</b><b>2</b><c></c></a>"));
    }
}
