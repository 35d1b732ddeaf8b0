//! `/console/shops/new`: what is sold, which way works and why, and own keys.

mod authorize;
mod connected;
mod settings;
mod tokens;

pub(crate) use self::authorize::{Authorize, ToPlatform};
pub(crate) use self::connected::Connected;
pub(crate) use self::tokens::Tokens;

use kamiflow_domain::connection_routes::{Because, Route, RouteLine, SaleKind, Works, route};
use kamiflow_domain::show_shop::ApplicationView;
use leptos::prelude::*;

use self::settings::PlatformSettings;
use super::ConsolePage;
use crate::components::{Badge, Card, Field, Icon, Look, PasswordField, Stepper, Submit, Tone};
use crate::layouts::Section;
use crate::views::connect;
use crate::{context, t};

/// The wizard; the address says which step is shown, and the latest one is kept for the member's other devices.
#[component]
pub(crate) fn ConnectShop() -> AnyView {
    let Some(data) = context::data::<connect::Wizard>() else { return ().into_any() };
    let (step, content) = match (data.route, data.sold) {
        (Some(Route::OwnKeys), _) => (2, own_keys(&data)),
        (_, Some(sold)) => (1, ways(sold, &data.applications)),
        (_, None) => (0, kinds()),
    };
    view! {
        <ConsolePage section=Section::Shops title=t::connect::title() context=t::connect::context()>
            <div class="card p-4 grid gap-3"><Stepper steps=steps() now=step/>{(step > 0).then(start_again)}</div>
            {content}
        </ConsolePage>
    }
    .into_any()
}

/// The steps that the wizard and the page before the platform's share.
fn steps() -> Vec<String> {
    [t::connect::step_sold(), t::connect::step_way(), t::connect::step_authorize()].map(str::to_owned).to_vec()
}

/// Who has begun is led to where she stopped until she says otherwise.
fn start_again() -> AnyView {
    view! {
        <form class="flex gap-2 flex-wrap items-center justify-between" method="post" action="/console/shops/new">
            <p class="sub">{t::connect::place_kept()}</p>
            <Submit look=Look::Quiet>{t::connect::start_again()}</Submit>
        </form>
    }
    .into_any()
}

fn kinds() -> AnyView {
    let kind = |kind: SaleKind| {
        let (name, text) = kind_words(kind);
        view! {
            <a class="card p-4 grid gap-1 no-underline" href=format!("/console/shops/new?sold={}", kind.as_str())>
                <span class="flex items-center gap-2 font-semibold">{name}<span class="ml-auto text-ink3"><Icon name="chevron-right"/></span></span>
                <span class="text-sm text-ink2 leading-6">{text}</span>
            </a>
        }
    };
    view! {
        <section class="grid gap-3" aria-labelledby="sold">
            <h2 id="sold" class="font-semibold text-md">{t::connect::what_is_sold()}</h2>
            <div class="grid md:grid-cols-2 gap-3">{SaleKind::ALL.into_iter().map(kind).collect_view()}</div>
            <p class="sub">{t::connect::several_kinds()}</p>
        </section>
    }
    .into_any()
}

fn kind_words(kind: SaleKind) -> (&'static str, &'static str) {
    match kind {
        SaleKind::MerchantCards => (t::connect::merchant_cards(), t::connect::merchant_cards_text()),
        SaleKind::PlatformCards => (t::connect::platform_cards(), t::connect::platform_cards_text()),
        SaleKind::DirectCharge => (t::connect::direct_charge(), t::connect::direct_charge_text()),
        SaleKind::PlainVirtual => (t::connect::plain_virtual(), t::connect::plain_virtual_text()),
    }
}

/// Both ways for what is sold, the one to take first.
fn ways(sold: SaleKind, applications: &[ApplicationView]) -> AnyView {
    let mut lines = [route(sold, Route::Hosted), route(sold, Route::OwnKeys)];
    lines.sort_by_key(|line| !line.recommended);
    let hosted = applications.iter().find(|application| application.is_hosted && !application.is_stopped);
    let ways: Vec<AnyView> = lines.iter().map(|line| way(*line, hosted)).collect();
    let (name, _) = kind_words(sold);
    view! {
        <section class="grid gap-3" aria-labelledby="way">
            <h2 id="way" class="font-semibold text-md">{t::connect::ways_for(name)}</h2>
            <div class="grid lg:grid-cols-2 gap-4 items-start">{ways}</div>
        </section>
    }
    .into_any()
}

fn way(line: RouteLine, hosted: Option<&ApplicationView>) -> AnyView {
    let (name, text) = match line.route {
        Route::Hosted => (t::connect::hosted(), t::connect::hosted_text()),
        Route::OwnKeys => (t::connect::own(), t::connect::own_text()),
    };
    let (tone, icon, works) = match line.works {
        Works::Yes => (Tone::Delivered, "circle-check", t::connect::works()),
        Works::WithoutRedemption => (Tone::Review, "triangle-alert", t::connect::works_without_redemption()),
        Works::No => (Tone::Exception, "circle-x", t::connect::works_not()),
    };
    let because = match line.because {
        Because::NothingRestrictsIt => t::connect::because_nothing(),
        Because::OtaForOwnApplications => t::connect::because_ota(),
        Because::ChargeForOwnApplications => t::connect::because_charge(),
        Because::OwnHoldsEverything => t::connect::because_own(),
    };
    let href = match line.route {
        Route::Hosted => hosted.map(|hosted| format!("/console/shops/authorize?application={}", hosted.application)),
        Route::OwnKeys => Some(format!("/console/shops/new?sold={}&route=own_keys", line.kind.as_str())),
    };
    let look = if line.recommended { Look::Primary } else { Look::Quiet };
    let act = match href.filter(|_| line.works != Works::No) {
        Some(href) => view! { <a class=look.class() href=href>{t::connect::take(name)}</a> }.into_any(),
        None if line.works == Works::No => ().into_any(),
        None => view! { <p class="sub">{t::connect::no_hosted()}</p> }.into_any(),
    };
    let class = if line.recommended { "card p-4 grid gap-3 chosen" } else { "card p-4 grid gap-3" };
    view! {
        <section class=class>
            <div class="flex gap-2 flex-wrap items-center">
                <h3 class="font-semibold">{name}</h3>
                {line.recommended.then(|| view! { <Badge tone=Tone::Brand icon="badge-check">{t::connect::recommended()}</Badge> })}
            </div>
            <p class="text-sm text-ink2 leading-6">{text}</p>
            <p class="flex gap-2 flex-wrap items-center text-sm"><Badge tone=tone icon=icon>{works}</Badge><span>{because}</span></p>
            <div>{act}</div>
        </section>
    }
    .into_any()
}

/// The form for own keys, beside what must be set on the platform.
fn own_keys(data: &connect::Wizard) -> AnyView {
    let known: Vec<AnyView> =
        data.applications.iter().filter(|application| !application.is_hosted).map(known).collect();
    view! {
        <div class="grid xl:grid-cols-[minmax(0,1fr)_22rem] gap-4 items-start">
            <div class="grid gap-4 min-w-0">
                <Card title=t::connect::keys_title()>
                    <form class="p-4 grid gap-4" method="post" action="/console/shops/keys">
                        <p class="text-sm text-ink2 leading-6">{t::connect::keys_text()}</p>
                        <Field name="client_id" label=t::connect::client_id() autocomplete="off" max_length=128/>
                        <PasswordField name="client_secret" label=t::connect::client_secret() hint=t::connect::client_secret_hint() autocomplete="off"/>
                        <Field name="app_type" label=t::connect::app_type() hint=t::connect::app_type_hint() max_length=40 optional=true/>
                        <div><Submit><Icon name="key-round"/>{t::connect::prove_keys()}</Submit></div>
                    </form>
                </Card>
                {(!known.is_empty()).then(|| view! {
                    <Card title=t::connect::known()><ul class="divide-y divide-line">{known}</ul></Card>
                })}
            </div>
            <PlatformSettings address=data.address.clone()/>
        </div>
    }
    .into_any()
}

fn known(application: &ApplicationView) -> AnyView {
    let href = format!("/console/shops/authorize?application={}", application.application);
    view! {
        <li class="flex gap-3 flex-wrap items-center px-4 py-3">
            <span class="mask flex-1">{application.masked_client_id.clone()}</span>
            {application.is_stopped.then(|| view! { <Badge tone=Tone::Exception icon="triangle-alert">{t::shops::application_stopped()}</Badge> })}
            <a class=format!("{} sm", Look::Quiet.class()) href=href>{t::connect::connect_with()}</a>
        </li>
    }
    .into_any()
}
