//! `/`: says and shows what the product does.

use leptos::prelude::*;

use crate::components::{Event, Icon, Look, OrderBadge, Timeline, Tone};
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::t;

/// The landing page.
#[component]
pub(crate) fn Landing() -> AnyView {
    view! {
        <PageTitle name=t::landing::title()/>
        <PublicLayout>
            <Hero/>
            <Principles/>
            <Road/>
            <Honesty/>
        </PublicLayout>
    }
    .into_any()
}

#[component]
fn Hero() -> AnyView {
    let promise = |words: &'static str| {
        view! { <li class="flex items-center gap-1.5"><span class="text-ok"><Icon name="check" size="s"/></span>{words}</li> }
    };
    view! {
        <section class="wide pt-10 md:pt-20 pb-14 grid lg:grid-cols-[1.05fr_1fr] gap-12 items-center">
            <div class="min-w-0">
                <a class="chip pill no-underline" href="/sign-up">
                    <span class="text-brand"><Icon name="flask-conical" size="s"/></span>
                    <span class="text-xs">{t::landing::try_first()}</span>
                    <Icon name="chevron-right" size="s"/>
                </a>
                <h1 class="mt-5 font-semibold text-[2.125rem] leading-[1.3] md:text-[3.25rem] md:leading-[1.22]">
                    {t::landing::hero_1()}<br/><span class="text-brand">{t::landing::hero_2()}</span>
                </h1>
                <p class="mt-5 text-md md:text-lg text-ink2 leading-8 max-w-[34em]">{t::landing::lead()}</p>
                <div class="mt-7 flex gap-3 flex-wrap">
                    <a class=format!("{} lg", Look::Primary.class()) href="/sign-up">
                        {t::landing::act()}<Icon name="arrow-right"/>
                    </a>
                    <a class=format!("{} lg", Look::Quiet.class()) href="/pricing">{t::landing::see_prices()}</a>
                </div>
                <ul class="mt-6 flex gap-x-5 gap-y-1.5 flex-wrap text-sm text-ink2">
                    {promise(t::landing::no_install())}{promise(t::landing::trial_run())}{promise(t::landing::pause())}
                </ul>
            </div>
            <ExampleOrder/>
        </section>
    }
    .into_any()
}

/// One order from payment to redemption, marked as an example.
#[component]
fn ExampleOrder() -> AnyView {
    let event = |tone, icon, title: &str, detail: &str, moment: &str| Event {
        tone,
        icon,
        title: title.to_owned(),
        detail: detail.to_owned(),
        moment: moment.to_owned(),
        exact: None,
    };
    let events = vec![
        event(
            Tone::Waiting,
            "circle-dollar-sign",
            t::landing::paid(),
            t::landing::paid_detail(),
            t::landing::paid_at(),
        ),
        event(Tone::Sending, "split", t::landing::seen(), t::landing::seen_detail(), t::landing::seen_at()),
        event(Tone::Delivered, "package-check", t::landing::sent(), t::landing::sent_detail(), t::landing::sent_at()),
        event(Tone::Delivered, "eye", t::landing::read(), t::landing::read_detail(), t::landing::read_at()),
        event(
            Tone::Redeemed,
            "badge-check",
            t::landing::redeemed(),
            t::landing::redeemed_detail(),
            t::landing::redeemed_at(),
        ),
    ];
    let figure = |value: &'static str, name: &'static str| {
        view! { <div class="py-3 px-1 flex flex-col-reverse"><dt class="sub">{name}</dt><dd class="text-lg font-semibold">{value}</dd></div> }
    };
    view! {
        <section class="card overflow-hidden shadow-3" aria-label=t::landing::example()>
            <header class="bg-raised">
                <i class="live"></i>
                <h2>{t::landing::order()}" "<span class="mono font-normal">"261122-…-771203"</span></h2>
                <span class="sub">{t::landing::example()}</span>
                <span class="ml-auto">{OrderBadge::Redeemed.view(false)}</span>
            </header>
            <div class="p-5 pb-1"><Timeline events=events/></div>
            <dl class="grid grid-cols-3 border-t border-line divide-x divide-line text-center bg-raised">
                {figure(t::landing::speed_value(), t::landing::speed())}
                {figure(t::landing::twice_value(), t::landing::twice())}
                {figure(t::landing::cover_value(), t::landing::cover())}
            </dl>
        </section>
    }
    .into_any()
}

#[component]
fn Principles() -> AnyView {
    let principle = |icon: &'static str, title: &'static str, text: &'static str| {
        view! {
            <div>
                <span class="disc square s-brand"><Icon name=icon size="l"/></span>
                <h3 class="font-semibold text-md mt-3">{title}</h3>
                <p class="text-ink2 mt-1 leading-6">{text}</p>
            </div>
        }
    };
    view! {
        <section class="border-y border-line bg-surface">
            <div class="wide py-14">
                <h2 class="text-2xl font-semibold">{t::landing::principles()}</h2>
                <p class="text-ink2 mt-1.5">{t::landing::principles_lead()}</p>
                <div class="grid sm:grid-cols-2 lg:grid-cols-3 gap-x-10 gap-y-8 mt-9">
                    {principle("shield-check", t::landing::once(), t::landing::once_text())}
                    {principle("eye", t::landing::dry(), t::landing::dry_text())}
                    {principle("badge-check", t::landing::rules(), t::landing::rules_text())}
                    {principle("timer", t::landing::time(), t::landing::time_text())}
                    {principle("lock-keyhole", t::landing::closed(), t::landing::closed_text())}
                    {principle("handshake", t::landing::assist(), t::landing::assist_text())}
                </div>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Road() -> AnyView {
    let step = |number: u8, title: &'static str, text: &'static str| {
        view! {
            <li class="card p-4">
                <div class="text-brand font-semibold mono text-md">{number}</div>
                <h3 class="font-semibold mt-1.5">{title}</h3>
                <p class="text-ink2 text-sm mt-0.5">{text}</p>
            </li>
        }
    };
    view! {
        <section class="wide py-14">
            <h2 class="text-2xl font-semibold">{t::landing::road()}</h2>
            <ol class="grid sm:grid-cols-2 lg:grid-cols-4 gap-4 mt-7">
                {step(1, t::landing::road_1(), t::landing::road_1_text())}
                {step(2, t::landing::road_2(), t::landing::road_2_text())}
                {step(3, t::landing::road_3(), t::landing::road_3_text())}
                {step(4, t::landing::road_4(), t::landing::road_4_text())}
            </ol>
        </section>
    }
    .into_any()
}

/// What the product does not do, said before anybody asks.
#[component]
fn Honesty() -> AnyView {
    let line = |words: &'static str| view! { <li class="flex gap-2"><span class="text-ink3 tick"><Icon name="ban" size="s"/></span><span>{words}</span></li> };
    view! {
        <section class="border-t border-line bg-surface">
            <div class="wide py-14 grid lg:grid-cols-2 gap-x-10 gap-y-6 items-start">
                <div>
                    <h2 class="text-2xl font-semibold">{t::landing::honest()}</h2>
                    <p class="text-ink2 mt-1.5 leading-6">{t::landing::honest_lead()}</p>
                    <a class=format!("{} lg mt-6", Look::Primary.class()) href="/sign-up">{t::landing::act()}<Icon name="arrow-right"/></a>
                </div>
                <ul class="grid gap-3 text-ink2 leading-6">
                    {line(t::landing::honest_1())}{line(t::landing::honest_2())}{line(t::landing::honest_3())}{line(t::landing::honest_4())}
                </ul>
            </div>
        </section>
    }
    .into_any()
}
