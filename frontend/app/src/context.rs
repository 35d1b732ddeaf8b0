//! What the server tells a page about its request.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use kamiflow_domain::show_pauses::PauseLine;
use kamiflow_kernel::{Locale, MerchantId, Permission, StaffRole, Theme};
use leptos::prelude::{provide_context, use_context};
use serde::{Deserialize, Serialize};

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
    /// The query's values by name, decoded.
    pub query: BTreeMap<String, String>,
    /// What the server read for this page; each page knows its own type, see [`data`].
    pub data: Option<Arc<dyn Any + Send + Sync>>,
    /// Who is signed in.
    pub session: Option<SessionView>,
    /// Who of the operator's staff is signed in; on their pages only.
    pub staff: Option<StaffView>,
    /// What the form of this page was answered, once.
    pub outcome: Option<FormOutcome>,
    /// Where mails can be read that are not really sent, as in the demo.
    pub inbox: Option<String>,
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

/// Who is signed in, as the console's frame shows it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SessionView {
    /// The merchant whose console this is.
    pub merchant: String,
    /// The other merchants this person may switch to.
    pub merchants: Vec<(String, MerchantId)>,
    /// How the person is addressed.
    pub member: String,
    /// What the seat permits: nobody is shown the way to a page that would refuse them.
    pub permissions: Vec<Permission>,
    /// Whether test mode is on: only sandbox shops are seen.
    pub is_test: bool,
    /// Orders that wait for a new authorization; none while no authorization has ended.
    pub waiting_for_authorization: Option<u64>,
    /// Shops whose authorization has ended.
    pub shops_without_authorization: usize,
    /// Orders that wait for a person.
    pub need_person: u64,
    /// Whether shops deliver by themselves, and since when that is known.
    pub running: Option<Running>,
    /// Pauses of the merchant as a whole.
    pub paused: Vec<PauseLine>,
    /// The end of the merchant's days of grace, if it was closed.
    pub closes_at: Option<DateTime<Utc>>,
    /// Whether what asks for a fresh proof is allowed for now.
    pub has_sudo: bool,
    /// Whether a second factor is asked for as proof, instead of the password.
    pub has_second_factor: bool,
}

/// Shops are live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// When one of them was read last without a failure.
    pub read_at: Option<DateTime<Utc>>,
}

/// A member of the operator's staff, as their pages' frame shows her.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StaffView {
    /// As merchants are told.
    pub name: String,
    /// What she may do.
    pub role: StaffRole,
}

/// What a form was answered: stable codes and what was typed, never a secret. Texts come from the catalogs.
///
/// What went well may be told as well, by [`FormOutcome::notice`].
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct FormOutcome {
    /// The error codes by field; an empty field name stands for the whole form.
    #[serde(default, rename = "e")]
    pub errors: BTreeMap<String, String>,
    /// What was typed into fields that are no secret.
    #[serde(default, rename = "v")]
    pub values: BTreeMap<String, String>,
    /// The code of what was done, if it was.
    #[serde(default, rename = "n", skip_serializing_if = "Option::is_none")]
    pub notice: Option<String>,
}

impl FormOutcome {
    /// Returns the outcome of a form with one wrong field; an empty name stands for the whole form.
    #[must_use]
    pub fn refused(field: &str, code: &str) -> Self {
        Self { errors: BTreeMap::from([(field.to_owned(), code.to_owned())]), ..Self::default() }
    }

    /// Returns the outcome of a form that did what it says.
    #[must_use]
    pub fn done(notice: &str) -> Self {
        Self { notice: Some(notice.to_owned()), ..Self::default() }
    }

    /// Gives back what was typed into a field; never call it for a secret.
    #[must_use]
    pub fn typed(mut self, field: &str, value: &str) -> Self {
        self.values.insert(field.to_owned(), value.to_owned());
        self
    }

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
    /// Asks the browser for a passkey; on its own page only.
    pub passkey: String,
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

/// Returns what the server read for the page that is being rendered; `None` where routes are only listed.
pub(crate) fn data<T: Any + Send + Sync>() -> Option<Arc<T>> {
    page().data.clone().and_then(|data| data.downcast().ok())
}

/// Puts a request's context where its page finds it.
pub fn provide_page(page: PageContext) {
    provide_context(Arc::new(page));
}

/// Returns the context of the page that is being rendered, or the default one where routes are only listed.
pub(crate) fn page() -> Arc<PageContext> {
    use_context().unwrap_or_default()
}
