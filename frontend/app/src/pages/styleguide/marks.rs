//! Colors, states, sizes, buttons and small notes.

use leptos::prelude::*;

use crate::components::{Badge, Banner, Card, Icon, Look, OrderBadge, Tab, Tabs, Toast, Tone};
use crate::t;

#[component]
pub(super) fn Colors() -> AnyView {
    let swatch = |class: &'static str, name: &'static str| {
        view! { <div class="text-center"><div class=format!("h-12 rounded-lg border border-line {class}")></div><div class="sub mt-1">{name}</div></div> }
    };
    view! {
        <Card title=t::styleguide::colors() context=t::styleguide::colors_context()>
            <div class="p-4 grid grid-cols-4 sm:grid-cols-8 gap-2">
                {swatch("bg-primary", t::styleguide::color_primary())}{swatch("bg-tint", t::styleguide::color_tint())}
                {swatch("bg-surface", t::styleguide::color_surface())}{swatch("bg-canvas", t::styleguide::color_canvas())}
                {swatch("bg-line", t::styleguide::color_line())}{swatch("bg-ctl", t::styleguide::color_control())}
                {swatch("bg-ink3", t::styleguide::color_hint())}{swatch("bg-ink", t::styleguide::color_ink())}
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn States() -> AnyView {
    view! {
        <Card title=t::styleguide::states() context=t::styleguide::states_context()>
            <div class="p-4 grid gap-3">
                <div class="flex flex-wrap gap-2">{OrderBadge::ALL.map(|state| state.view(false)).collect_view()}</div>
                <div class="flex flex-wrap gap-2">{OrderBadge::ALL.map(|state| state.view(true)).collect_view()}</div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Scale() -> AnyView {
    view! {
        <Card title=t::styleguide::scale()>
            <div class="p-4 grid gap-2">
                <p class="text-3xl font-semibold">{t::styleguide::scale_30()}</p>
                <p class="text-2xl font-semibold">{t::styleguide::scale_24()}</p>
                <p class="text-xl font-semibold">{t::styleguide::scale_20()}</p>
                <p class="text-md font-semibold">{t::styleguide::scale_16()}</p>
                <p>{t::styleguide::scale_14()}</p>
                <p class="text-sm">{t::styleguide::scale_13()}</p>
                <p class="sub">{t::styleguide::scale_12()}</p>
                <p class="mono">"261122-480213579302118 8801 •••• •••• 2046"</p>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Buttons() -> AnyView {
    let sized = |size: &'static str, name: &'static str| {
        view! { <button type="button" class=format!("{} {size}", Look::Primary.class())>{name}</button> }
    };
    view! {
        <Card title=t::styleguide::buttons()>
            <div class="p-4 grid gap-3">
                <div class="flex gap-2 flex-wrap items-center">
                    <button type="button" class=Look::Primary.class()>{t::styleguide::primary()}</button>
                    <button type="button" class=Look::Quiet.class()>{t::styleguide::quiet()}</button>
                    <button type="button" class=Look::Bare.class()>{t::styleguide::bare()}</button>
                    <button type="button" class=Look::Danger.class()><Icon name="trash-2" size="s"/>{t::styleguide::void()}</button>
                    <button type="button" class=Look::Irreversible.class()>{t::styleguide::void_confirm()}</button>
                </div>
                <div class="flex gap-2 flex-wrap items-center">
                    <button type="button" class=Look::Quiet.class() disabled=true>{t::styleguide::disabled()}</button>
                    <button type="button" class=Look::Primary.class() aria-busy="true"><Icon name="loader-circle"/>{t::styleguide::busy()}</button>
                    <button type="button" class=format!("{} focused", Look::Primary.class())>{t::styleguide::focused()}</button>
                    <button type="button" class=format!("{} sq", Look::Quiet.class()) aria-label=t::console::more()><Icon name="ellipsis"/></button>
                </div>
                <div class="flex gap-2 flex-wrap items-center">
                    {sized("lg", t::styleguide::large())}{sized("", t::styleguide::middle())}{sized("sm", t::styleguide::small())}
                    <a class="lnk" href="/styleguide">{t::styleguide::link()}</a>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Chips() -> AnyView {
    let tab = |label: &str, count: &str, is_hot| Tab {
        label: label.to_owned(),
        href: "/styleguide".to_owned(),
        count: Some(count.to_owned()),
        is_hot,
    };
    let tabs = vec![
        tab(t::styleguide::all(), "1,284", false),
        tab(t::states::waiting(), "17", false),
        tab(t::states::exception(), "1", true),
    ];
    view! {
        <Card title=t::styleguide::chips()>
            <div class="p-4 grid gap-4">
                <div class="flex flex-wrap gap-2 items-center">
                    <a class="chip on" href="/styleguide">{t::styleguide::paid_at()}<b>{t::styleguide::today()}</b><Icon name="x" size="s"/></a>
                    <a class="chip" href="/styleguide">{t::styleguide::product()}<Icon name="chevron-down" size="s"/></a>
                    <Badge tone=Tone::Brand>{t::styleguide::new()}</Badge>
                    <Badge tone=Tone::Waiting icon="eye">{t::states::trial_run()}</Badge>
                    <Badge tone=Tone::Delivered icon="radio">{t::states::live()}</Badge>
                    <Badge tone=Tone::Review icon="key-round">{t::states::expiring()}</Badge>
                </div>
                <Tabs label=t::styleguide::tabs() tabs=tabs open=0/>
                <div class="rounded-lg overflow-hidden border border-line">
                    <div class="stripe"><Icon name="flask-conical" size="s"/>{t::console::test_mode()}</div>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Banners() -> AnyView {
    view! {
        <Card title=t::styleguide::banners()>
            <div class="p-4 grid gap-2">
                <Banner tone=Tone::Sending icon="info">{t::styleguide::banner_info()}</Banner>
                <Banner tone=Tone::Delivered icon="circle-check" lead=t::styleguide::banner_done_lead()>{t::styleguide::banner_done()}</Banner>
                <Banner tone=Tone::Review icon="pause" lead=t::styleguide::banner_paused_lead()>{t::styleguide::banner_paused()}</Banner>
                <Banner
                    tone=Tone::Exception
                    icon="octagon-alert"
                    lead=t::styleguide::banner_expired_lead()
                    act=("/styleguide".to_owned(), t::styleguide::renew().to_owned())
                >
                    {t::styleguide::banner_expired()}
                </Banner>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Toasts() -> AnyView {
    let act = |label: &str| ("/styleguide".to_owned(), label.to_owned());
    view! {
        <Card title=t::styleguide::toasts() context=t::styleguide::toasts_context()>
            <div class="p-4 grid gap-2">
                <Toast stays=true tone=Tone::Delivered icon="circle-check" title=t::styleguide::toast_done() detail=t::styleguide::toast_done_detail() act=act(t::styleguide::look())/>
                <Toast stays=true tone=Tone::Review icon="undo-2" title=t::styleguide::toast_undo() detail=t::styleguide::toast_undo_detail() act=act(t::styleguide::undo())/>
                <Toast tone=Tone::Exception icon="circle-x" title=t::styleguide::toast_failed() detail=t::styleguide::toast_failed_detail()/>
            </div>
        </Card>
    }
    .into_any()
}
