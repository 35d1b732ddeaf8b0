//! Cards: a titled surface.

use leptos::prelude::*;

/// A section with a title, a line of context and acts at the right.
#[component]
pub(crate) fn Card(
    #[prop(into)] title: String,
    #[prop(optional, into)] context: Option<String>,
    #[prop(optional)] class: &'static str,
    #[prop(optional, into)] acts: Option<AnyView>,
    children: Children,
) -> AnyView {
    view! {
        <section class=format!("card {class}")>
            <header>
                <h2>{title}</h2>
                {context.map(|context| view! { <span class="sub">{context}</span> })}
                {acts.map(|acts| view! { <div class="ml-auto flex gap-2 flex-wrap">{acts}</div> })}
            </header>
            {children()}
        </section>
    }
    .into_any()
}
