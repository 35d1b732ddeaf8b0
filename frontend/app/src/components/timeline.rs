//! Timelines: what happened, in plain words.

use leptos::prelude::*;

use super::{Icon, Tone};

/// One thing that happened.
pub(crate) struct Event {
    /// How it went.
    pub(crate) tone: Tone,
    /// Its picture.
    pub(crate) icon: &'static str,
    /// What happened.
    pub(crate) title: String,
    /// The facts.
    pub(crate) detail: String,
    /// When, as it is shown.
    pub(crate) moment: String,
    /// When, in full, where `moment` is short.
    pub(crate) exact: Option<String>,
}

/// The events, in the order given.
#[component]
pub(crate) fn Timeline(events: Vec<Event>) -> AnyView {
    let row = |event: Event| {
        view! {
            <li class=event.tone.class()>
                <span class="disc"><Icon name=event.icon/></span>
                <div class="pt-0.5 min-w-0">
                    <div class="font-medium">{event.title}</div>
                    <div class="sub">{event.detail}</div>
                </div>
                {match event.exact {
                    Some(exact) => {
                        view! { <time class="sub pt-1 mono" datetime=exact.clone() title=exact>{event.moment}</time> }.into_any()
                    }
                    None => view! { <span class="sub pt-1 mono">{event.moment}</span> }.into_any(),
                }}
            </li>
        }
    };
    view! { <ol class="tl">{events.into_iter().map(row).collect_view()}</ol> }.into_any()
}
