//! The why panel: why an order stopped, the facts, and the safe acts.

use leptos::prelude::*;

use super::{Icon, Tone};

/// One fact beside the sentence.
pub(crate) struct Fact {
    /// What is told.
    pub(crate) name: String,
    /// The fact.
    pub(crate) value: String,
    /// Whether it is what hurts.
    pub(crate) is_urgent: bool,
}

/// The panel; its children are the acts.
#[component]
pub(crate) fn Why(
    #[prop(into)] question: String,
    #[prop(into)] answer: String,
    facts: Vec<Fact>,
    #[prop(default = Tone::Exception)] tone: Tone,
    children: Children,
) -> AnyView {
    let fact = |fact: Fact| {
        const URGENT: &str = "rounded-lg ground px-3 py-2 max-sm:col-span-2";
        const OTHER: &str = "rounded-lg bg-canvas px-3 py-2";
        let class = if fact.is_urgent { URGENT } else { OTHER };
        view! { <div class=class><dt class="sub">{fact.name}</dt><dd class="font-semibold">{fact.value}</dd></div> }
    };
    view! {
        <section class=format!("card edge overflow-hidden {}", tone.class())>
            <div class="p-4 flex gap-3.5">
                <span class="disc big hide-s"><Icon name="circle-question-mark" size="l"/></span>
                <div class="min-w-0 flex-1">
                    <h2 class="font-semibold text-md">{question}</h2>
                    <p class="mt-1 text-ink2 leading-6">{answer}</p>
                    {(!facts.is_empty()).then(|| view! {
                        <dl class="grid grid-cols-2 sm:grid-cols-3 gap-3 max-md:gap-2 mt-3.5">{facts.into_iter().map(fact).collect_view()}</dl>
                    })}
                    <div class="flex gap-2 mt-3.5 flex-wrap items-start empty:hidden">{children()}</div>
                </div>
            </div>
        </section>
    }
    .into_any()
}
