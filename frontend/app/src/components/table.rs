//! Tables, which become two-column rows on a phone.

use leptos::prelude::*;

use crate::t;

/// One column's head.
pub(crate) struct Column {
    /// The head's words.
    pub(crate) name: String,
    /// Whether it holds numbers or money.
    pub(crate) is_number: bool,
    /// Whether the rows are sorted by it, and upward.
    pub(crate) sorted: Option<bool>,
}

impl Column {
    /// Returns a column of words.
    pub(crate) fn words(name: impl Into<String>) -> Self {
        Self { name: name.into(), is_number: false, sorted: None }
    }

    /// Returns a column of numbers, at the right.
    pub(crate) fn numbers(name: impl Into<String>) -> Self {
        Self { is_number: true, ..Self::words(name) }
    }
}

/// The column's name before a value that says too little by itself, where a phone shows no heads.
#[component]
pub(crate) fn CellHead(name: &'static str) -> AnyView {
    view! { <span class="sub md:hidden">{name}" "</span> }.into_any()
}

/// The table; its children are rows.
#[component]
pub(crate) fn Table(#[prop(into)] caption: String, columns: Vec<Column>, children: Children) -> AnyView {
    let head = |column: Column| {
        let sorted = column.sorted.map(|upward| if upward { "ascending" } else { "descending" });
        let arrow = column.sorted.map(|upward| if upward { t::site::arrow_up() } else { t::site::arrow_down() });
        // What the buttons of a row do is said by themselves; who cannot see them is told that they are there.
        let name = match column.name.as_str() {
            "" => view! { <span class="sr-only">{t::site::acts()}</span> }.into_any(),
            _ => column.name.into_any(),
        };
        view! { <th scope="col" class:r=column.is_number class:text-ink=sorted.is_some() aria-sort=sorted>{name}{arrow}</th> }
    };
    view! {
        <table class="tb stack">
            <caption class="sr-only">{caption}</caption>
            <thead><tr>{columns.into_iter().map(head).collect_view()}</tr></thead>
            <tbody>{children()}</tbody>
        </table>
    }
    .into_any()
}
