//! Tabs, which are links: the state lives in the address.

use leptos::prelude::*;

/// One tab.
pub(crate) struct Tab {
    /// Its words.
    pub(crate) label: String,
    /// Where it leads.
    pub(crate) href: String,
    /// How much is behind it.
    pub(crate) count: Option<String>,
    /// Whether a person has to act on that.
    pub(crate) is_hot: bool,
}

/// The tabs, one of them open.
#[component]
pub(crate) fn Tabs(#[prop(into)] label: String, tabs: Vec<Tab>, open: usize) -> AnyView {
    let tab = |(index, tab): (usize, Tab)| {
        view! {
            <a href=tab.href aria-current=(index == open).then_some("true")>
                {tab.label}
                {tab.count.map(|count| view! { <span class:hot=tab.is_hot>{count}</span> })}
            </a>
        }
    };
    view! { <nav class="tabs" aria-label=label>{tabs.into_iter().enumerate().map(tab).collect_view()}</nav> }.into_any()
}
