//! `/terms` and `/privacy`: the operator's to write; these say what the software does.

use leptos::prelude::*;

use crate::components::{Banner, Tone};
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::t;

/// The terms of service.
#[component]
pub(crate) fn Terms() -> AnyView {
    let facts = vec![
        (t::legal::terms_1(), t::legal::terms_1_text()),
        (t::legal::terms_2(), t::legal::terms_2_text()),
        (t::legal::terms_3(), t::legal::terms_3_text()),
    ];
    view! { <Legal title=t::site::terms() lead=t::legal::terms_lead() facts=facts/> }.into_any()
}

/// The privacy policy.
#[component]
pub(crate) fn Privacy() -> AnyView {
    let facts = vec![
        (t::legal::privacy_1(), t::legal::privacy_1_text()),
        (t::legal::privacy_2(), t::legal::privacy_2_text()),
        (t::legal::privacy_3(), t::legal::privacy_3_text()),
        (t::legal::privacy_4(), t::legal::privacy_4_text()),
    ];
    view! { <Legal title=t::site::privacy() lead=t::legal::privacy_lead() facts=facts/> }.into_any()
}

#[component]
fn Legal(title: &'static str, lead: &'static str, facts: Vec<(&'static str, &'static str)>) -> AnyView {
    let fact = |(name, text): (&'static str, &'static str)| {
        view! { <section><h2 class="font-semibold text-md">{name}</h2><p class="text-ink2 mt-1 leading-6">{text}</p></section> }
    };
    view! {
        <PageTitle name=title/>
        <PublicLayout>
            <article class="wide py-14">
                <div class="max-w-[48em] grid gap-6">
                    <h1 class="text-3xl font-semibold">{title}</h1>
                    <Banner tone=Tone::Review icon="pencil" lead=t::legal::operator()>{t::legal::operator_text()}</Banner>
                    <p class="leading-6">{lead}</p>
                    {facts.into_iter().map(fact).collect_view()}
                </div>
            </article>
        </PublicLayout>
    }
    .into_any()
}
