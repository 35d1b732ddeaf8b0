//! `/console/api` and `/help/api`.

use chrono::{DateTime, Utc};
use kamiflow_domain::api::list_tokens::ApiTokenView;
use kamiflow_domain::list_shops::ShopSummary;

/// The tokens of the API, and the making of one.
#[derive(Debug)]
pub struct ApiTokens {
    /// Those that are not revoked first.
    pub tokens: Vec<ApiTokenView>,
    /// The shops a token may be limited to.
    pub shops: Vec<ShopSummary>,
    /// Whether a test token is offered first.
    pub is_test: bool,
    /// When the page was read.
    pub now: DateTime<Utc>,
}

/// The API as its own document describes it.
#[derive(Debug, Default)]
pub struct Reference {
    /// What may be asked for and done, in the document's order.
    pub operations: Vec<Operation>,
    /// The shapes that are sent and taken.
    pub shapes: Vec<Shape>,
}

/// One operation.
#[derive(Debug)]
pub struct Operation {
    /// Its name in the document.
    pub id: String,
    /// The document's sentence about it, for what no catalog knows.
    pub summary: String,
    /// `GET` or `POST`.
    pub method: String,
    /// Its path, with names in braces.
    pub path: String,
    /// What a token must be for.
    pub scope: String,
    /// What stands in path, query and headers.
    pub parameters: Vec<Member>,
    /// The shape of the body, if it takes one.
    pub takes: Option<String>,
    /// The shape of the answer.
    pub gives: Option<String>,
}

/// A shape: an object and its fields.
#[derive(Debug)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Its fields.
    pub members: Vec<Member>,
    /// An example, as it is sent.
    pub example: Option<String>,
}

/// A field of a shape, or a parameter.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// `path`, `query` or `header`; empty for fields.
    pub place: String,
    /// Its type, in a word.
    pub kind: String,
    /// The shape it holds, if it does.
    pub shape: Option<String>,
    /// Whether it must be there.
    pub is_required: bool,
    /// The document's sentence about it.
    pub text: String,
}
