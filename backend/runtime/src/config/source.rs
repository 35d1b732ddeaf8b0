//! Where variables come from: the process environment, or a map in tests.

use std::collections::BTreeMap;

/// Somewhere that knows environment variables.
pub trait EnvSource {
    /// Returns the value of a variable, or `None` when it is not set.
    fn get(&self, name: &str) -> Option<String>;

    /// Lists the names of all variables that are set.
    fn names(&self) -> Vec<String>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy)]
pub struct ProcessEnv;

impl EnvSource for ProcessEnv {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    fn get(&self, name: &str) -> Option<String> {
        // A value that is not UTF-8 is shown as text, so that its parser can name the variable.
        std::env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn names(&self) -> Vec<String> {
        std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }
}

/// Variables in memory, for tests and for processes that configure themselves.
#[derive(Debug, Clone, Default)]
pub struct EnvMap(BTreeMap<String, String>);

impl EnvMap {
    /// Returns a source that knows no variable.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the source with one more variable.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

impl<const N: usize> From<[(&str, &str); N]> for EnvMap {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self(BTreeMap::from(owned))
    }
}

impl EnvSource for EnvMap {
    fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}
