//! What a list shows when there is nothing, and when it could not be read.

use leptos::prelude::*;

use super::{Icon, Tone};
use crate::{context, t};

/// Nothing is there, and that is fine: says why, and what to do next.
#[component]
pub(crate) fn Empty(
    icon: &'static str,
    #[prop(into)] title: String,
    #[prop(into)] reason: String,
    /// Where the next step leads, and what it is called.
    #[prop(optional)]
    act: Option<(String, String)>,
) -> AnyView {
    view! {
        <div class="empty">
            <span class=format!("disc huge {}", Tone::Brand.class())><Icon name=icon size="l"/></span>
            <p class="font-semibold mt-1">{title}</p>
            <p class="text-ink2 text-sm max-w-[30em]">{reason}</p>
            {act.map(|(href, label)| view! { <a class="lnk text-sm" href=href>{label}</a> })}
        </div>
    }
    .into_any()
}

/// Something could not be read: says what still works, and which request to quote.
#[component]
pub(crate) fn Failure(#[prop(into)] title: String, #[prop(into)] what_works: String) -> AnyView {
    let page = context::page();
    view! {
        <div class=format!("p-4 flex gap-3 {}", Tone::Exception.class()) role="alert">
            <span class="disc"><Icon name="plug-zap"/></span>
            <div class="flex-1 min-w-0">
                <div class="font-medium">{title}</div>
                <p class="text-sm text-ink2">{what_works}</p>
                <p class="sub mono mt-1">{t::site::request_id(&page.request_id)}</p>
            </div>
            <a class="btn btn-quiet sm" href=page.path.clone()>{t::site::retry()}</a>
        </div>
    }
    .into_any()
}
