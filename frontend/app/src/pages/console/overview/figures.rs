//! The figures of the first page: what waits by its deadline, and today's sums.

use kamiflow_domain::show_dashboard::{Dashboard, Figure, ToShip};
use leptos::prelude::*;

use crate::components::{Icon, Look, Spark};
use crate::views::orders::OrderTab;
use crate::{format, t};

/// Deadlines while something waits, and today's figures.
#[component]
pub(super) fn Figures(figures: Dashboard) -> AnyView {
    let Dashboard { delivered, cards, redeemed, average_ms, to_ship, need_person } = figures;
    let (waits, class) = match need_person {
        0 => (t::overview::nobody_waits(), ""),
        _ => (t::overview::somebody_waits(), "spoken s-review"),
    };
    let stopped = view! { <span class=class>{number(need_person)}</span> };
    let average = average_ms.map_or_else(|| "—".to_owned(), |ms| t::overview::seconds(format::seconds(ms)));
    view! {
        {(to_ship != ToShip::default()).then(|| view! { <Deadlines to_ship=to_ship need_person=need_person/> })}
        <section class="grid grid-cols-2 lg:grid-cols-5 gap-3" aria-label=t::overview::figures()>
            {counted(t::states::delivered(), OrderTab::Delivered, "--st-delivered-solid", &delivered)}
            {counted(t::overview::cards(), OrderTab::Delivered, "--color-primary", &cards)}
            {counted(t::states::redeemed(), OrderTab::Redeemed, "--st-redeemed-solid", &redeemed)}
            {tile(t::overview::need_person(), OrderTab::NeedPerson, stopped, Some(waits.to_owned()), ().into_any())}
            {tile(t::overview::average(), OrderTab::Delivered, average, Some(t::overview::average_text().to_owned()), ().into_any())}
        </section>
    }
    .into_any()
}

/// A figure with its line.
fn counted(name: &'static str, tab: OrderTab, color: &'static str, figure: &Figure) -> AnyView {
    let points = figure.hours.iter().map(|n| f64::from(i32::try_from(*n).unwrap_or(i32::MAX))).collect();
    let line = view! { <div class="mt-2"><Spark color=color points=points/></div> };
    tile(name, tab, number(figure.today), Some(t::overview::yesterday(number(figure.yesterday))), line.into_any())
}

fn tile(name: &'static str, tab: OrderTab, value: impl IntoView, context: Option<String>, line: AnyView) -> AnyView {
    view! {
        <a class="card p-4 pb-3 no-underline flex flex-col last:max-lg:col-span-2" href=list(tab)>
            <div class="text-sm text-ink2">{name}</div>
            <div class="text-2xl font-semibold tracking-tight mt-1 whitespace-nowrap">{value}</div>
            {context.map(|context| view! { <div class="sub mt-0.5">{context}</div> })}
            {line}
        </a>
    }
    .into_any()
}

#[component]
fn Deadlines(to_ship: ToShip, need_person: i64) -> AnyView {
    let cell = |class: &'static str, icon: &'static str, name: &'static str, count: i64| {
        // Colors are for what is there: a nought is no alarm.
        let class = if count > 0 { class } else { "s-closed" };
        view! {
            <a class=format!("px-4 py-3 no-underline {class}") href=list(OrderTab::Waiting)>
                <div class="text-xs font-medium flex items-center gap-1 spoken"><Icon name=icon size="s"/>{name}</div>
                <b class="text-xl">{number(count)}</b>
            </a>
        }
    };
    let handle = (need_person > 0).then(|| {
        view! {
            <a class=Look::Primary.class() href=list(OrderTab::NeedPerson)>{t::overview::handle(number(need_person))}<Icon name="arrow-right" size="s"/></a>
        }
    });
    view! {
        <section class="card overflow-hidden" aria-label=t::overview::deadlines()>
            <div class="grid grid-cols-3 md:grid-cols-[auto_1fr_1fr_1fr_auto] items-stretch divide-x divide-line">
                <div class="hidden md:flex items-center gap-2.5 px-4">
                    <Icon name="alarm-clock" size="l"/>
                    <div>
                        <div class="font-semibold">{t::overview::deadlines()}</div>
                        <div class="sub">{t::overview::deadlines_context()}</div>
                    </div>
                </div>
                {cell("s-exception ground", "octagon-alert", t::overview::late(), to_ship.late)}
                {cell("s-review", "clock-alert", t::overview::within_an_hour(), to_ship.within_an_hour)}
                {cell("s-waiting", "clock", t::overview::later(), to_ship.later)}
                <div class="hidden md:flex items-center px-4">{handle}</div>
            </div>
        </section>
    }
    .into_any()
}

fn list(tab: OrderTab) -> String {
    tab.name().map_or_else(|| "/console/orders".to_owned(), |name| format!("/console/orders?state={name}"))
}

fn number(count: i64) -> String {
    format::count(count.unsigned_abs())
}
