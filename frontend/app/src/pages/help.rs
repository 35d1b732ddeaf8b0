//! `/help`: where to look, and what is asked most.

use leptos::prelude::*;

use crate::components::Icon;
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::t;

/// The shell of the help center: the questions that come before the first shop.
#[component]
pub(crate) fn Help() -> AnyView {
    let question = |title: &'static str, answer: &'static str| {
        view! {
            <details class="card qa">
                <summary>{title}<Icon name="chevron-down"/></summary>
                <p class="px-4 pb-4 text-ink2 leading-6 max-w-[44em]">{answer}</p>
            </details>
        }
    };
    view! {
        <PageTitle name=t::site::help()/>
        <PublicLayout>
            <section class="wide py-14">
                <h1 class="text-3xl font-semibold">{t::site::help()}</h1>
                <p class="text-ink2 mt-2 leading-6 max-w-[44em]">{t::help::lead()}</p>
                <h2 class="text-xl font-semibold mt-10 mb-4">{t::help::before()}</h2>
                <div class="grid gap-3">
                    {question(t::help::q_sandbox(), t::help::a_sandbox())}
                    {question(t::help::q_backlog(), t::help::a_backlog())}
                    {question(t::help::q_keys(), t::help::a_keys())}
                    {question(t::help::q_expired(), t::help::a_expired())}
                    {question(t::help::q_stock(), t::help::a_stock())}
                    {question(t::help::q_stop(), t::help::a_stop())}
                    {question(t::help::q_buyer(), t::help::a_buyer())}
                </div>
                <section id="operator" class="mt-10">
                    <h2 class="text-xl font-semibold mb-2">{t::help::operator()}</h2>
                    <p class="text-ink2 leading-6 max-w-[44em]">{t::help::operator_text()}</p>
                </section>
                <p class="mt-8"><a class="lnk" href="/help/api">{t::help::api_link()}</a></p>
                <p class="text-ink2 mt-4 leading-6">{t::help::request_id()}</p>
            </section>
        </PublicLayout>
    }
    .into_any()
}
