//! Banners: what holds work up, what follows, and the one act that cures it.

use leptos::prelude::*;

use super::{Icon, Tone};

/// A sentence on colored ground, with an act at its end.
#[component]
pub(crate) fn Banner(
    tone: Tone,
    icon: &'static str,
    /// The sentence's bold beginning.
    #[prop(optional, into)]
    lead: Option<String>,
    /// Where the act leads, and what it is called.
    #[prop(optional)]
    act: Option<(String, String)>,
    children: Children,
) -> AnyView {
    let role = if tone == Tone::Exception { "alert" } else { "status" };
    view! {
        <div class=format!("note {}", tone.class()) role=role>
            <Icon name=icon/>
            <div class="min-w-0 flex-1 flex gap-x-4 gap-y-1 flex-wrap items-center">
                <p class="flex-1 min-w-56">{lead.map(|lead| view! { <b>{lead}</b> })}{children()}</p>
                {act.map(|(href, label)| view! { <a class="lnk" href=href>{label}</a> })}
            </div>
        </div>
    }
    .into_any()
}
