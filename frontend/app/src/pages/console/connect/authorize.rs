//! `/console/shops/authorize`: to the platform's page, by oneself or by a link for the holder of the main account.

use leptos::prelude::*;

use super::settings::PlatformSettings;
use super::{start_again, steps};
use crate::components::{Banner, Card, Icon, Look, ProofFirst, Stepper, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::connect::{self, PlatformAddress};
use crate::{context, t};

/// First a button that begins; then, once, the links to the platform.
#[component]
pub(crate) fn Authorize() -> AnyView {
    let Some(data) = context::data::<connect::Authorize>() else { return ().into_any() };
    let mall = data.shop.as_ref().map(|shop| (shop.name.clone(), shop.mall.0));
    let title = if mall.is_some() { t::connect::reauthorize_title() } else { t::connect::authorize_title() };
    let hidden = move || {
        let data = context::data::<connect::Authorize>();
        let shop = data.as_ref().and_then(|data| data.shop.as_ref()).map(|shop| shop.shop.to_string());
        let application = data.as_ref().map(|data| data.application.application.to_string());
        view! {
            <input type="hidden" name="application" value=application/>
            <input type="hidden" name="shop" value=shop.unwrap_or_default()/>
        }
    };
    let outcome = context::page().outcome.clone().unwrap_or_default();
    let begun = outcome.value("begun").map(str::to_owned);
    let settings = (!data.application.is_hosted).then(|| view! { <PlatformSettings address=data.address.clone()/> });
    let context = mall
        .as_ref()
        .map_or_else(|| t::connect::context().to_owned(), |(name, number)| t::connect::of_mall(name, number));
    view! {
        <ConsolePage section=Section::Shops title=title context=context>
            {mall.is_none().then(|| view! { <div class="card p-4 grid gap-3"><Stepper steps=steps() now=2/>{start_again()}</div> })}
            {mall.map(|(name, number)| view! { <Banner tone=Tone::Review icon="key-round">{t::connect::only_this_mall(name, number)}</Banner> })}
            <div class="grid xl:grid-cols-[minmax(0,1fr)_22rem] gap-4 items-start">
                <div class="grid gap-4 min-w-0">
                    <Card title=t::connect::by_yourself()>
                        <div class="p-4 grid gap-4">
                            <p class="text-ink2 leading-6">{t::connect::main_account()}</p>
                            {match begun {
                                Some(begun) => view! { <ToPlatform address=data.address.clone() begun=begun/> }.into_any(),
                                None => view! {
                                    <form method="post" action="/console/shops/authorize">
                                        {hidden()}
                                        <Submit><Icon name="arrow-right"/>{t::connect::begin()}</Submit>
                                    </form>
                                }.into_any(),
                            }}
                        </div>
                    </Card>
                    <Card title=t::connect::by_link()>
                        <div class="p-4 grid gap-4">
                            <p class="text-ink2 leading-6">{t::connect::by_link_text()}</p>
                            <ProofFirst/>
                            <form method="post" action="/console/shops/link">
                                {hidden()}
                                <Submit look=Look::Quiet><Icon name="send"/>{t::connect::make_link()}</Submit>
                            </form>
                        </div>
                    </Card>
                </div>
                {settings}
            </div>
        </ConsolePage>
    }
    .into_any()
}

/// Plain links to the platform's pages: no form of ours leads to another site.
#[component]
pub(crate) fn ToPlatform(address: PlatformAddress, begun: String) -> AnyView {
    let (web, phone) = (format!("{}&{begun}", address.web), format!("{}&{begun}", address.phone));
    view! {
        <div class="flex gap-3 flex-wrap items-center">
            <a class=format!("{} max-md:hidden", Look::Primary.class()) href=web><Icon name="arrow-up-right"/>{t::connect::to_platform()}</a>
            <a class=format!("{} md:hidden w-full", Look::Primary.class()) href=phone><Icon name="arrow-up-right"/>{t::connect::to_platform()}</a>
        </div>
        <p class="sub">{t::connect::within()}</p>
    }
    .into_any()
}
