//! `/console/merchant`: another name for a merchant, closing it, and thinking better of it.

use leptos::prelude::*;

use crate::components::{Banner, Card, Field, Icon, Look, ProofFirst, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::team::Merchant as Data;
use crate::{context, format, t};

/// What only an owner does with the merchant as a whole.
#[component]
pub(crate) fn Merchant() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let trail = ("/console/team".to_owned(), t::console::team().to_owned());
    let act = match data.closes_at {
        Some(at) => view! {
            <Banner tone=Tone::Exception icon="triangle-alert">{t::merchant::closing(format::moment(at))}</Banner>
            <p class="text-sm text-ink2 leading-6">{t::merchant::reopen_text()}</p>
            <ProofFirst/>
            <form method="post" action="/console/merchant/reopen"><Submit>{t::merchant::reopen()}</Submit></form>
        }
        .into_any(),
        None => close(data.live).into_any(),
    };
    view! {
        <ConsolePage section=Section::Team title=t::merchant::title() context=t::merchant::context(&data.name, &data.code) trail=trail>
            <Card title=t::merchant::name() class="max-w-xl">
                <form class="p-4 grid gap-4" method="post" action="/console/merchant/name">
                    <p class="text-sm text-ink2 leading-6">{t::merchant::name_text()}</p>
                    <ProofFirst/>
                    <Field name="merchant" label=t::merchant::new_name() max_length=60/>
                    <div><Submit look=Look::Quiet>{t::merchant::rename()}</Submit></div>
                </form>
            </Card>
            <Card title=t::merchant::data_title() class="max-w-xl">
                <div class="p-4 grid gap-3">
                    <p class="text-sm text-ink2 leading-6">{t::merchant::data_text()}</p>
                    <div><a class=Look::Quiet.class() href="/console/export"><Icon name="download"/>{t::export::title()}</a></div>
                </div>
            </Card>
            <Card title=t::merchant::close() class="max-w-xl"><div class="p-4 grid gap-4">{act}</div></Card>
        </ConsolePage>
    }
    .into_any()
}

/// Closing, with what follows in plain words.
fn close(live: usize) -> impl IntoView {
    let line = |icon: &'static str, tone: Tone, text: String| {
        view! { <li class=format!("flex gap-2 {}", tone.class())><span class="solid tick"><Icon name=icon/></span><span>{text}</span></li> }
    };
    let live = u64::try_from(live).unwrap_or(u64::MAX);
    view! {
        <ul class="grid gap-2 text-ink2 leading-6 text-sm">
            {line("circle-x", Tone::Exception, t::merchant::close_pauses(live))}
            {line("circle-x", Tone::Exception, t::merchant::close_ends().to_owned())}
            {line("circle-check", Tone::Delivered, t::merchant::close_grace().to_owned())}
            {line("circle-check", Tone::Delivered, t::merchant::close_told().to_owned())}
        </ul>
        <ProofFirst/>
        <form method="post" action="/console/merchant/close"><Submit look=Look::Irreversible>{t::merchant::close()}</Submit></form>
    }
}
