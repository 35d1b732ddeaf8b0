//! Lists, their three other conditions, charts, timelines and the why panel.

use leptos::prelude::*;

use crate::components::{
    Band, Card, Chart, Check, Column, Empty, Event, Fact, Failure, Icon, Look, OrderBadge, Pagination, Preflight,
    Series, Skeleton, Stepper, Table, Target, Timeline, Tone, Verdict, Why,
};
use crate::t;

#[component]
pub(super) fn Conditions() -> AnyView {
    let act = ("/styleguide".to_owned(), t::styleguide::simulate().to_owned());
    view! {
        <Card title=t::styleguide::conditions()>
            <div class="p-4 grid gap-3">
                <div class="rounded-xl border border-dashed border-line">
                    <Empty icon="inbox" title=t::styleguide::no_orders() reason=t::styleguide::no_orders_reason() act=act/>
                </div>
                <div class="rounded-xl border border-line"><Skeleton/></div>
                <div class="rounded-xl border border-line">
                    <Failure title=t::styleguide::orders_failed() what_works=t::styleguide::orders_failed_text()/>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Progress() -> AnyView {
    let steps = [t::styleguide::step_1(), t::styleguide::step_2(), t::styleguide::step_3()].map(str::to_owned).to_vec();
    view! {
        <Card title=t::styleguide::paging()>
            <div class="p-4 grid gap-5">
                <Pagination shown=t::styleguide::shown() previous=None next=Some("/styleguide".to_owned())/>
                <Stepper steps=steps now=1/>
                <div>
                    <div class="flex justify-between gap-3 text-sm mb-1.5"><span>{t::styleguide::working()}</span><span>{t::styleguide::worked()}</span></div>
                    <progress class="bar" value="645" max="1000" aria-label=t::styleguide::working()></progress>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn Checks() -> AnyView {
    let check = |verdict, subject: &str, finding: &str, cure: Option<&str>| Check {
        verdict,
        subject: subject.to_owned(),
        finding: finding.to_owned(),
        cure: cure.map(|label| ("/styleguide".to_owned(), label.to_owned())),
    };
    let checks = vec![
        check(Verdict::Pass, t::styleguide::check_keys(), t::styleguide::check_keys_found(), None),
        check(
            Verdict::Blocked,
            t::styleguide::check_sku(),
            t::styleguide::check_sku_found(),
            Some(t::styleguide::check_sku_cure()),
        ),
        check(
            Verdict::Warning,
            t::styleguide::check_stock(),
            t::styleguide::check_stock_found(),
            Some(t::styleguide::check_stock_cure()),
        ),
        check(
            Verdict::Pending,
            t::styleguide::check_identity(),
            t::styleguide::check_identity_found(),
            Some(t::styleguide::check_identity_cure()),
        ),
    ];
    view! { <Card title=t::styleguide::preflight() class="overflow-hidden"><Preflight checks=checks/></Card> }
        .into_any()
}

#[component]
pub(super) fn Lines() -> AnyView {
    view! {
        <Card title=t::styleguide::chart() context=t::styleguide::chart_context() class="overflow-hidden lg:col-span-2">
            <div class="p-3"><TimeToCard/></div>
        </Card>
    }
    .into_any()
}

/// The example that chart and dashboard share.
#[component]
pub(super) fn TimeToCard() -> AnyView {
    // Waves of different length, so that the lines look like measurements without being any.
    let wave = |base: f64, swing: f64, late: f64| -> Vec<f64> {
        (0..49u32)
            .map(|step| {
                let x = f64::from(step);
                let rise = if step > 43 { late * (x - 43.0) / 5.0 } else { 0.0 };
                base + swing * ((x * 0.9).sin() + 0.6 * (x * 0.37).sin()) + rise
            })
            .collect()
    };
    let series = vec![
        Series { name: "p99", color: "--st-redeemed-solid", dash: "2 3", values: wave(3.6, 0.35, 2.9) },
        Series { name: "p95", color: "--st-sending-solid", dash: "7 3", values: wave(2.1, 0.16, 0.8) },
        Series { name: "p50", color: "--color-primary", dash: "", values: wave(1.0, 0.06, 0.0) },
    ];
    let ticks = ["14:00", "20:00", "02:00", "08:00", "14:00"].map(str::to_owned).to_vec();
    view! {
        <Chart
            summary=t::styleguide::chart_summary()
            unit="s"
            ticks=ticks
            series=series
            target=Target { name: t::styleguide::chart_target().to_owned(), value: 5.0 }
            band=Band { name: t::styleguide::chart_band().to_owned(), span: (0.9, 1.0) }
        />
    }
    .into_any()
}

#[component]
pub(super) fn Rows() -> AnyView {
    let columns = vec![
        Column::words(t::styleguide::order_number()),
        Column::words(t::styleguide::product()),
        Column::words(t::styleguide::state()),
        Column { sorted: Some(false), ..Column::numbers(t::styleguide::paid()) },
    ];
    let row = |sn: &'static str, state: OrderBadge, paid: &'static str, class: &'static str, current: bool| {
        view! {
            <tr class=class aria-current=current.then_some("true")>
                <td class="mono">{sn}</td>
                <td>{t::styleguide::sample_product()}</td>
                <td>{state.view(false)}</td>
                <td class="r rt font-medium">{paid}</td>
            </tr>
        }
    };
    view! {
        <Card title=t::styleguide::table() context=t::styleguide::table_context() class="overflow-hidden lg:col-span-2">
            <Table caption=t::styleguide::table() columns=columns>
                {row("261122-480213579084410", OrderBadge::Redeemed, "¥18.90", "", false)}
                {row("261122-480213579084411", OrderBadge::Delivered, "¥71.80", "hovered", false)}
                {row("261122-480213579084412", OrderBadge::Review, "¥128.00", "sel", false)}
                {row("261122-480213579084413", OrderBadge::Exception, "¥1,384.00", "sel", true)}
            </Table>
        </Card>
    }
    .into_any()
}

#[component]
pub(super) fn WhyAndWhat() -> AnyView {
    let fact = |name: &str, value: &str, is_urgent| Fact { name: name.to_owned(), value: value.to_owned(), is_urgent };
    let facts = vec![
        fact(t::styleguide::fact_deadline(), t::styleguide::fact_deadline_value(), true),
        fact(t::styleguide::fact_gap(), t::styleguide::fact_gap_value(), false),
        fact(t::styleguide::fact_waiting(), t::styleguide::fact_waiting_value(), false),
    ];
    let event = |tone, icon, title: &str, detail: &str, moment: &str| Event {
        tone,
        icon,
        title: title.to_owned(),
        detail: detail.to_owned(),
        moment: moment.to_owned(),
        exact: Some(format!("2026-11-22 {moment}")),
    };
    let events = vec![
        event(Tone::Exception, "triangle-alert", t::styleguide::event_1(), t::styleguide::event_1_detail(), "13:41:22"),
        event(Tone::Waiting, "layers", t::styleguide::event_2(), t::styleguide::event_2_detail(), "13:41:22"),
        event(
            Tone::Waiting,
            "circle-dollar-sign",
            t::styleguide::event_3(),
            t::styleguide::event_3_detail(),
            "13:41:18",
        ),
    ];
    view! {
        <Why question=t::styleguide::why() answer=t::styleguide::why_answer() facts=facts>
            <a class=format!("{} sm", Look::Quiet.class()) href="/styleguide"><Icon name="upload" size="s"/>{t::styleguide::import()}</a>
            <a class=format!("{} sm", Look::Quiet.class()) href="/styleguide"><Icon name="shuffle" size="s"/>{t::styleguide::other_pool()}</a>
        </Why>
        <Card title=t::styleguide::timeline() context=t::styleguide::timeline_context()>
            <div class="p-4 pb-1"><Timeline events=events/></div>
        </Card>
    }
    .into_any()
}
