//! Parameters of a call, merged from the query and a JSON, form or multipart body.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeOwned, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::envelope::GatewayError;

mod multipart;

/// One parameter as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Param {
    pub(crate) key: String,
    /// Decoded text; a nested JSON value is compact with sorted keys.
    pub(crate) text: String,
    /// A nested JSON value exactly as received, where it differs from a string.
    pub(crate) as_received: Option<String>,
}

/// All parameters of a call, sorted by key.
#[derive(Debug, Clone, Default)]
pub(crate) struct Params {
    sorted: Vec<Param>,
}

impl Params {
    /// Reads the parameters of a request. Where a name repeats, the body wins over the query and a
    /// later value over an earlier one.
    pub(crate) fn parse(query: &str, content_type: &str, body: &[u8]) -> Result<Self, GatewayError> {
        let mut found = Vec::with_capacity(16);
        read_form(query.as_bytes(), &mut found);
        let kind = content_type.split(';').next().unwrap_or("").trim();
        if kind.eq_ignore_ascii_case("multipart/form-data") {
            multipart::read(content_type, body, &mut found)?;
        } else if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{') {
            // Some clients send JSON without saying so; a form never starts with a brace.
            read_json(body, &mut found)?;
        } else if !kind.eq_ignore_ascii_case("application/json") {
            read_form(body, &mut found);
        } else if !body.iter().all(u8::is_ascii_whitespace) {
            return Err(GatewayError::common("body"));
        }
        // The sort is stable, so of equal names the last one is the latest.
        found.sort_by(|a, b| a.key.cmp(&b.key));
        let mut sorted: Vec<Param> = Vec::with_capacity(found.len());
        for param in found {
            match sorted.last_mut() {
                Some(last) if last.key == param.key => *last = param,
                _ => sorted.push(param),
            }
        }
        Ok(Self { sorted })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Param> {
        self.sorted.iter()
    }

    /// Returns the text of a parameter that was sent with a value.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let at = self.sorted.binary_search_by(|param| param.key.as_str().cmp(key)).ok()?;
        self.sorted.get(at).map(|param| param.text.as_str()).filter(|text| !text.is_empty())
    }

    /// Returns a common parameter, whose absence is error 10001.
    pub(crate) fn common(&self, key: &str) -> Result<&str, GatewayError> {
        self.get(key).ok_or_else(|| GatewayError::common(key))
    }

    /// Returns a required business parameter.
    pub(crate) fn text(&self, key: &str) -> Result<&str, GatewayError> {
        self.get(key).ok_or_else(|| GatewayError::param(key))
    }

    /// Returns a required number.
    pub(crate) fn number<T: std::str::FromStr>(&self, key: &str) -> Result<T, GatewayError> {
        self.text(key)?.parse().map_err(|_error: T::Err| GatewayError::param(key))
    }

    /// Returns a number that may be missing.
    pub(crate) fn number_or<T: std::str::FromStr>(&self, key: &str, default: T) -> Result<T, GatewayError> {
        match self.get(key) {
            None => Ok(default),
            Some(_) => self.number(key),
        }
    }

    /// Returns a flag that may be missing.
    pub(crate) fn flag(&self, key: &str) -> Result<bool, GatewayError> {
        match self.get(key) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(_) => Err(GatewayError::param(key)),
        }
    }

    /// Returns a required parameter that holds JSON text.
    pub(crate) fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T, GatewayError> {
        serde_json::from_str(self.text(key)?).map_err(|error| {
            tracing::debug!(%error, "Parameter `{key}` does not hold the documented JSON");
            GatewayError::param(key)
        })
    }
}

fn read_form(text: &[u8], found: &mut Vec<Param>) {
    found.extend(url::form_urlencoded::parse(text).map(|(key, value)| Param {
        key: key.into_owned(),
        text: value.into_owned(),
        as_received: None,
    }));
}

fn read_json(body: &[u8], found: &mut Vec<Param>) -> Result<(), GatewayError> {
    let Pairs(pairs) = serde_json::from_slice(body).map_err(|error| {
        tracing::debug!(%error, "Request body is not a JSON object");
        GatewayError::common("body")
    })?;
    for (key, raw) in pairs {
        let (text, as_received) = match raw.as_bytes().first() {
            Some(b'n') => continue,
            Some(b'"') => (serde_json::from_str(raw).map_err(|_error| GatewayError::common("body"))?, None),
            Some(b'{' | b'[') => {
                let tree: Value = serde_json::from_str(raw).map_err(|_error| GatewayError::common("body"))?;
                (compact_sorted(&tree), Some(raw.to_owned()))
            }
            _ => (raw.to_owned(), None),
        };
        found.push(Param { key, text, as_received });
    }
    Ok(())
}

/// Returns compact JSON with the keys of every object sorted, whatever map serde_json was built with.
fn compact_sorted(tree: &Value) -> String {
    match tree {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by(|a, b| a.0.cmp(b.0));
            let inner: Vec<String> = fields
                .into_iter()
                .map(|(key, value)| format!("{}:{}", Value::from(key.as_str()), compact_sorted(value)))
                .collect();
            format!("{{{}}}", inner.join(","))
        }
        Value::Array(items) => {
            let inner: Vec<String> = items.iter().map(compact_sorted).collect();
            format!("[{}]", inner.join(","))
        }
        leaf => leaf.to_string(),
    }
}

/// The members of a JSON object in order, values untouched.
struct Pairs<'a>(Vec<(String, &'a str)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PairsVisitor;
        impl<'de> Visitor<'de> for PairsVisitor {
            type Value = Pairs<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::with_capacity(16);
                while let Some((key, value)) = map.next_entry::<String, &'de RawValue>()? {
                    pairs.push((key, value.get()));
                }
                Ok(Pairs(pairs))
            }
        }
        deserializer.deserialize_map(PairsVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(params: &Params) -> Vec<(&str, &str)> {
        params.iter().map(|param| (param.key.as_str(), param.text.as_str())).collect()
    }

    #[test]
    fn query_and_form_are_merged_and_sorted() {
        let params = Params::parse("type=t&b=1", "application/x-www-form-urlencoded", b"a=%E5%8D%A1&b=2").unwrap();
        assert_eq!(pairs(&params), [("a", "卡"), ("b", "2"), ("type", "t")]);
    }

    #[test]
    fn json_scalars_keep_their_text() {
        let body = br#"{"n":1.50,"i":7,"t":true,"s":"a\u5361","x":null,"o":{"b":1,"a":"\/"}}"#;
        let params = Params::parse("", "application/json", body).unwrap();
        assert_eq!(
            pairs(&params),
            [("i", "7"), ("n", "1.50"), ("o", r#"{"a":"/","b":1}"#), ("s", "a卡"), ("t", "true")]
        );
    }

    #[test]
    fn multipart_fields_are_read_and_files_left_out() {
        let body = b"--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n2\r\n--X\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x.txt\"\r\n\r\nfile\r\n--X--\r\n";
        let params = Params::parse("", "multipart/form-data; boundary=\"X\"", body).unwrap();
        assert_eq!(pairs(&params), [("a", "1\r\n2")]);
    }

    #[test]
    fn a_broken_body_is_a_common_parameter_error() {
        for (kind, body) in [("application/json", "{\"a\":"), ("application/json", "[1]"), ("multipart/form-data", "x")]
        {
            let error = Params::parse("", kind, body.as_bytes()).unwrap_err();
            assert_eq!(error.code, 10001, "{kind} {body}");
        }
    }
}
