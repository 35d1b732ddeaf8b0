//! What the server tells a page about its request.

use std::collections::BTreeMap;
use std::sync::Arc;

use leptos::prelude::{provide_context, use_context};
use serde::{Deserialize, Serialize};

use crate::locale::Locale;

/// Everything a page needs to know of its request. The server provides it through Leptos' context.
#[derive(Debug, Clone, Default)]
pub struct PageContext {
    /// The language: by account, then cookie, then `Accept-Language`.
    pub locale: Locale,
    /// Light, dark, or as the system says.
    pub theme: Theme,
    /// Identifies the request in logs; people quote it to support.
    pub request_id: String,
    /// The path, without query.
    pub path: String,
    /// Who is signed in.
    pub session: Option<SessionView>,
    /// What the form of this page was answered, once.
    pub outcome: Option<FormOutcome>,
    /// Where the built files are.
    pub assets: Arc<Assets>,
    /// What this process found when it last looked at its servers.
    pub condition: Condition,
}

/// Whether the servers that a process works with answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Condition {
    /// Postgres.
    pub database: bool,
    /// Redis.
    pub queue: bool,
}

/// Which colors a visitor chose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Theme {
    /// As the visitor's system says.
    #[default]
    System,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// Returns the word of the cookie; `None` where no cookie stands for it.
    #[must_use]
    pub const fn word(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("light"),
            Self::Dark => Some("dark"),
        }
    }

    /// Returns the theme of a cookie's word.
    #[must_use]
    pub fn from_word(word: &str) -> Self {
        match word {
            "light" => Self::Light,
            "dark" => Self::Dark,
            _ => Self::System,
        }
    }

    /// Returns `data-theme`, which is left out where the system decides.
    pub(crate) const fn attribute(self) -> Option<&'static str> {
        match self {
            Self::System => None,
            Self::Light => Some("kami-light"),
            Self::Dark => Some("kami-dark"),
        }
    }
}

/// Who is signed in, as the console's frame shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionView {
    /// The merchant whose console this is.
    pub merchant: String,
    /// The merchants this person may switch to, with their paths.
    pub merchants: Vec<(String, String)>,
    /// How the person is addressed.
    pub member: String,
    /// Whether test mode is on: only sandbox shops are seen.
    pub is_test: bool,
}

/// What a form was answered: stable codes and what was typed, never a secret. Texts come from the catalogs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FormOutcome {
    /// The error codes by field; an empty field name stands for the whole form.
    #[serde(default, rename = "e")]
    pub errors: BTreeMap<String, String>,
    /// What was typed into fields that are no secret.
    #[serde(default, rename = "v")]
    pub values: BTreeMap<String, String>,
}

impl FormOutcome {
    /// Returns the code of a field's error.
    #[must_use]
    pub fn error(&self, field: &str) -> Option<&str> {
        self.errors.get(field).map(String::as_str)
    }

    /// Returns what was typed into a field.
    #[must_use]
    pub fn value(&self, field: &str) -> Option<&str> {
        self.values.get(field).map(String::as_str)
    }
}

/// The addresses of the built files, whose names hold hashes of what is in them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assets {
    /// The one style sheet.
    pub style: String,
    /// Wakes islands up.
    pub boot: String,
    /// The module around the wasm.
    pub module: String,
    /// The islands.
    pub wasm: String,
    /// The sprite of icons.
    pub icons: String,
    /// The mark in the browser's tab.
    pub mark: String,
}

/// Sets the status of the answer that holds the page.
#[derive(Clone)]
struct Answer(Arc<dyn Fn(u16) + Send + Sync>);

/// Lets the page that is rendered say which status it is answered with; without, it is 200.
pub fn provide_answer(set_status: impl Fn(u16) + Send + Sync + 'static) {
    provide_context(Answer(Arc::new(set_status)));
}

/// Says which status the page is answered with.
pub(crate) fn answer_with(status: u16) {
    if let Some(Answer(set_status)) = use_context() {
        set_status(status);
    }
}

/// Puts a request's context where its page finds it.
pub fn provide_page(page: PageContext) {
    provide_context(Arc::new(page));
}

/// Returns the context of the page that is being rendered, or the default one where routes are only listed.
pub(crate) fn page() -> Arc<PageContext> {
    use_context().unwrap_or_default()
}
