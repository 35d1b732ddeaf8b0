//! The flat map of texts that is signed and sent.

use std::collections::BTreeMap;

use serde::Serialize;

/// Business parameters of one call: every value a text, nested values compact JSON, empty values dropped.
#[derive(Default)]
pub struct Params {
    values: BTreeMap<String, String>,
    failed: Option<String>,
}

impl Params {
    /// Sets a text; an empty one is not sent.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.values.insert(key.to_owned(), value.to_owned());
        }
        self
    }

    /// Sets a text that may be absent.
    pub fn maybe_text(&mut self, key: &str, value: Option<&str>) -> &mut Self {
        self.text(key, value.unwrap_or_default())
    }

    /// Sets a whole number.
    pub fn number(&mut self, key: &str, value: impl Into<i64>) -> &mut Self {
        self.values.insert(key.to_owned(), value.into().to_string());
        self
    }

    /// Sets a whole number that may be absent.
    pub fn maybe_number(&mut self, key: &str, value: Option<impl Into<i64>>) -> &mut Self {
        match value {
            Some(value) => self.number(key, value),
            None => self,
        }
    }

    /// Sets a truth value, `true` or `false`.
    pub fn flag(&mut self, key: &str, value: bool) -> &mut Self {
        self.values.insert(key.to_owned(), value.to_string());
        self
    }

    /// Sets an object or a list as compact JSON text.
    pub fn json(&mut self, key: &str, value: &impl Serialize) -> &mut Self {
        match serde_json::to_string(value) {
            Ok(text) => {
                self.values.insert(key.to_owned(), text);
            }
            Err(error) => self.failed = Some(format!("{key}: {error}")),
        }
        self
    }

    pub(crate) fn into_values(self) -> Result<BTreeMap<String, String>, String> {
        match self.failed {
            None => Ok(self.values),
            Some(reason) => Err(reason),
        }
    }
}
