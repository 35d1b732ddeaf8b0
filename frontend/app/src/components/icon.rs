//! Icons, from one sprite that the browser keeps.

use leptos::prelude::*;

use crate::context;

/// An icon beside words that say the same; hidden from screen readers.
#[component]
pub(crate) fn Icon(
    /// A symbol of `frontend/style/icons.svg`.
    name: &'static str,
    /// `s` for 14 px, `l` for 20 px, else 16 px.
    #[prop(optional)]
    size: &'static str,
) -> AnyView {
    view! { <svg class=format!("i {size}") aria-hidden="true"><use href=href(name)></use></svg> }.into_any()
}

/// Returns the address of an icon, for islands, which do not know where files are.
pub(crate) fn href(name: &'static str) -> String {
    format!("{}#{name}", context::page().assets.icons)
}
