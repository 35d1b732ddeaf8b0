//! Pages of a list, by cursor.

use leptos::prelude::*;

use super::Icon;
use crate::t;

/// Links to the page before and the page after; a list that is not counted says only what is shown.
#[component]
pub(crate) fn Pagination(
    /// What is shown, such as “1–50 of 1,284”.
    #[prop(into)]
    shown: String,
    previous: Option<String>,
    next: Option<String>,
) -> AnyView {
    let back = || view! { <Icon name="chevron-left" size="s"/>{t::site::previous()} };
    let on = || view! { {t::site::next()}<Icon name="chevron-right" size="s"/> };
    view! {
        <nav class="flex items-center gap-3 text-sm text-ink2 flex-wrap" aria-label=t::site::pages()>
            <span class="mr-auto">{shown}</span>
            {match previous {
                Some(href) => view! { <a class="btn btn-quiet sm" rel="prev" href=href>{back()}</a> }.into_any(),
                None => view! { <span class="btn btn-quiet sm" aria-disabled="true">{back()}</span> }.into_any(),
            }}
            {match next {
                Some(href) => view! { <a class="btn btn-quiet sm" rel="next" href=href>{on()}</a> }.into_any(),
                None => view! { <span class="btn btn-quiet sm" aria-disabled="true">{on()}</span> }.into_any(),
            }}
        </nav>
    }
    .into_any()
}
