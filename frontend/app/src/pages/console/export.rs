//! `/console/export`: one file of all that the member sees.

use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Banner, Card, Icon, ProofFirst, Submit, Tone};
use crate::layouts::Section;
use crate::views::team::Export as Data;
use crate::{context, t};

/// Says what is in the file, and begins the download.
#[component]
pub(crate) fn Export() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let file = |name: &'static str, text: &'static str| {
        view! { <div class="flex gap-3 flex-wrap"><dt class="mono w-36">{name}</dt><dd class="text-ink2 flex-1 min-w-48">{text}</dd></div> }
    };
    view! {
        <ConsolePage section=Section::Team title=t::export::title() context=t::export::context()>
            <Card title=t::export::what() class="max-w-xl">
                <div class="p-4 grid gap-4">
                    {data.is_limited.then(|| view! { <Banner tone=Tone::Review icon="info">{t::export::limited()}</Banner> })}
                    <dl class="grid gap-2 text-sm leading-6">
                        {file("orders.csv", t::export::orders())}
                        {file("deliveries.csv", t::export::deliveries())}
                        {file("redemptions.csv", t::export::redemptions())}
                        {file("skus.csv", t::export::skus())}
                        {file("pools.csv", t::export::pools())}
                        {file("shops.csv", t::export::shops())}
                        {(!data.is_limited).then(|| file("members.csv", t::export::members()))}
                        {data.has_audit.then(|| file("audit.csv", t::export::audit()))}
                    </dl>
                    <p class="text-sm text-ink2 leading-6">{t::export::no_cards()}</p>
                    <ProofFirst/>
                    <form method="post" action="/console/export" data-file="">
                        <Submit><Icon name="download"/>{t::export::download()}</Submit>
                    </form>
                </div>
            </Card>
        </ConsolePage>
    }
    .into_any()
}
