//! `/styleguide/console`: the console's frame around an example of a dashboard.

use chrono::DateTime;
use kamiflow_kernel::Permission;
use leptos::prelude::*;

use super::lists::TimeToCard;
use crate::components::{Badge, Banner, Card, Column, Icon, Look, Spark, Table, Tone};
use crate::context::{Running, SessionView};
use crate::document::PageTitle;
use crate::layouts::{ConsoleLayout, Frame, Section};
use crate::t;

/// The frame in test mode, with what an owner would see.
#[component]
pub(crate) fn ConsoleSample() -> AnyView {
    let session = SessionView {
        closes_at: None,
        paused: Vec::new(),
        merchant: t::styleguide::sample_merchant().to_owned(),
        merchants: Vec::new(),
        member: t::styleguide::sample_member().to_owned(),
        permissions: Permission::ALL.to_vec(),
        is_test: true,
        waiting_for_authorization: None,
        shops_without_authorization: 0,
        need_person: 0,
        running: Some(Running { read_at: Some(DateTime::UNIX_EPOCH) }),
        has_sudo: false,
        has_second_factor: false,
    };
    let frame = Frame {
        session,
        section: Section::Dashboard,
        counts: vec![(Section::Orders, 1284, false), (Section::Pools, 3, true)],
    };
    let banner = view! {
        <Banner
            tone=Tone::Review
            icon="key-round"
            lead=t::styleguide::expiring_lead()
            act=("/styleguide/console".to_owned(), t::styleguide::renew().to_owned())
        >
            {t::styleguide::expiring()}
        </Banner>
    };
    view! {
        <PageTitle name=t::console::dashboard()/>
        <ConsoleLayout frame=frame banner=banner.into_any()>
            <Head/>
            <Deadlines/>
            <Figures/>
            <div class="grid xl:grid-cols-[minmax(0,1fr)_22rem] gap-4 items-start">
                <div class="grid gap-4 min-w-0">
                    <Card title=t::styleguide::time_to_card() context=t::styleguide::time_to_card_context() class="overflow-hidden"><div class="p-3"><TimeToCard/></div></Card>
                    <ShopTable/>
                </div>
                <Stock/>
            </div>
        </ConsoleLayout>
    }
    .into_any()
}

#[component]
fn Head() -> AnyView {
    let span = |name: &'static str, pressed: bool| view! { <a href="/styleguide/console" aria-current=pressed.then_some("true")>{name}</a> };
    view! {
        <div class="ph">
            <div class="min-w-0">
                <h1>{t::console::dashboard()}</h1>
                <p class="sub mt-0.5">{t::styleguide::dashboard_context()}</p>
            </div>
            <div class="acts">
                <nav class="seg" aria-label=t::styleguide::span()>
                    {span(t::styleguide::today(), true)}{span(t::styleguide::yesterday(), false)}{span(t::styleguide::week(), false)}
                </nav>
            </div>
        </div>
    }
    .into_any()
}

#[component]
fn Deadlines() -> AnyView {
    let cell = |class: &'static str, icon: &'static str, name: &'static str, count: u32, what: &'static str| {
        view! {
            <a class=format!("px-4 py-3 no-underline {class}") href="/styleguide/console">
                <div class="text-xs font-medium flex items-center gap-1 spoken"><Icon name=icon size="s"/>{name}</div>
                <div class="flex items-baseline gap-2 mt-0.5"><b class="text-xl">{count}</b><span class="text-xs text-ink2 hide-s">{what}</span></div>
            </a>
        }
    };
    view! {
        <section class="card mb-4 overflow-hidden" aria-label=t::styleguide::deadlines()>
            <div class="grid grid-cols-3 md:grid-cols-[auto_1fr_1fr_1fr_auto] items-stretch divide-x divide-line">
                <div class="hidden md:flex items-center gap-2.5 px-4">
                    <Icon name="alarm-clock" size="l"/>
                    <div><div class="font-semibold">{t::styleguide::deadlines()}</div><div class="sub">{t::styleguide::deadlines_context()}</div></div>
                </div>
                {cell("s-exception ground", "octagon-alert", t::styleguide::late(), 1, t::styleguide::late_what())}
                {cell("s-review", "clock-alert", t::styleguide::hour(), 2, t::styleguide::hour_what())}
                {cell("s-waiting", "clock", t::styleguide::four_hours(), 17, t::styleguide::four_hours_what())}
                <div class="hidden md:flex items-center px-4">
                    <a class=Look::Primary.class() href="/styleguide/console">{t::styleguide::handle(3)}<Icon name="arrow-right" size="s"/></a>
                </div>
            </div>
        </section>
    }
    .into_any()
}

#[component]
fn Figures() -> AnyView {
    let figure = |name: &'static str,
                  value: &'static str,
                  change: &'static str,
                  color: &'static str,
                  points: &[f64]| {
        let tone = if color == "--st-exception-solid" { "text-bad" } else { "text-ok" };
        view! {
            <a class="card p-4 pb-3 no-underline flex flex-col last:max-lg:col-span-2" href="/styleguide/console">
                <div class="flex items-center justify-between gap-2 text-sm text-ink2">
                    <span>{name}</span>
                    <span class=format!("inline-flex items-center gap-0.5 text-xs font-medium whitespace-nowrap {tone}")><Icon name="arrow-up-right" size="s"/>{change}</span>
                </div>
                <div class="text-2xl font-semibold tracking-tight mt-1 whitespace-nowrap">{value}</div>
                <div class="mt-2"><Spark color=color points=points.to_vec()/></div>
            </a>
        }
    };
    let rising = [3.0, 4.0, 3.5, 5.0, 6.0, 5.5, 6.5, 8.0, 7.0, 9.0, 8.5, 11.0];
    view! {
        <section class="grid grid-cols-2 lg:grid-cols-5 gap-3 mb-4" aria-label=t::styleguide::figures()>
            {figure(t::console::orders(), "1,284", "+8.2%", "--color-primary", &rising)}
            {figure(t::states::delivered(), "1,257", "+8.0%", "--st-delivered-solid", &rising)}
            {figure(t::states::redeemed(), "938", "+4.1%", "--st-redeemed-solid", &rising)}
            {figure(t::styleguide::open(), "3", "+2", "--st-exception-solid", &[0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 2.0, 3.0])}
            {figure(t::styleguide::revenue(), "¥23,418.60", "+11.3%", "--color-primary", &rising)}
        </section>
    }
    .into_any()
}

#[component]
fn ShopTable() -> AnyView {
    let columns = vec![
        Column::words(t::styleguide::shop()),
        Column::words(t::styleguide::state()),
        Column::numbers(t::styleguide::delay()),
        Column::numbers(t::styleguide::remaining()),
    ];
    let row = |name: &'static str, delay: &'static str, left: &'static str| {
        view! {
            <tr>
                <td class="font-medium">{name}</td>
                <td><Badge tone=Tone::Delivered icon="radio">{t::states::live()}</Badge></td>
                <td class="r">{delay}</td>
                <td class="r rt">{left}</td>
            </tr>
        }
    };
    view! {
        <Card title=t::styleguide::shops() class="overflow-hidden">
            <Table caption=t::styleguide::shops() columns=columns>
                {row(t::styleguide::shop_1(), t::styleguide::shop_1_delay(), t::styleguide::shop_1_left())}
                {row(t::styleguide::shop_2(), t::styleguide::shop_2_delay(), t::styleguide::shop_2_left())}
            </Table>
        </Card>
    }
    .into_any()
}

#[component]
fn Stock() -> AnyView {
    let pool = |tone: Tone, name: &'static str, left: &'static str, per_mille: u32| {
        view! {
            <li class=tone.class()>
                <div class="flex justify-between gap-3 text-sm mb-1.5"><span>{name}</span><span class="text-ink2">{left}</span></div>
                <progress class="bar" value=per_mille max="1000" aria-label=name></progress>
            </li>
        }
    };
    view! {
        <Card title=t::styleguide::stock_days()>
            <ul class="p-4 grid gap-4">
                {pool(Tone::Delivered, t::styleguide::pool_1(), t::styleguide::pool_1_left(), 620)}
                {pool(Tone::Review, t::styleguide::pool_2(), t::styleguide::pool_2_left(), 140)}
                {pool(Tone::Exception, t::styleguide::pool_3(), t::styleguide::pool_3_left(), 0)}
            </ul>
        </Card>
    }
    .into_any()
}
