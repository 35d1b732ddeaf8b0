//! `/console/shops/{shop}/trial`: what would be sent, and going live.

use chrono::{DateTime, Utc};
use kamiflow_domain::trial_run::{TrialOrder, Would};
use kamiflow_domain::verification::Standing;
use kamiflow_kernel::{ReasonCode, ShopState};
use leptos::prelude::*;

use super::{count, outside_banner};
use crate::components::{Badge, Banner, Card, Column, Empty, Icon, Look, Moment, Pagination, Submit, Table, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::pages::console::overview::ShopBadges;
use crate::views::shops;
use crate::{context, format, t};

/// The form that the ticks in the table belong to.
const FORM: &str = "live";

/// The list, and beside it the form.
#[component]
pub(crate) fn TrialRun() -> AnyView {
    let Some(data) = context::data::<shops::Trial>() else { return ().into_any() };
    let shop = data.shop.clone();
    let can_start = data.may_go_live && shop.state == ShopState::TrialRun;
    let (state, orders, start) = (state(&data), orders(&data, can_start), can_start.then(|| start(&data)));
    let badges = view! { <ShopBadges shop=shop.clone()/> };
    view! {
        <ConsolePage section=Section::Shops title=t::trial::title() context=shop.name.clone() acts=badges.into_any()>
            {state}
            {data.outside.as_ref().map(outside_banner)}
            <div class="grid xl:grid-cols-[minmax(0,1fr)_20rem] gap-4 items-start">
                <Card title=t::trial::would() context=t::trial::would_context() class="overflow-hidden min-w-0">{orders}</Card>
                <div class="grid gap-4 min-w-0">
                    {start}
                    <p class="sub"><a class="lnk" href=format!("/console/shops/{}", shop.shop)>{t::trial::to_shop()}</a></p>
                </div>
            </div>
        </ConsolePage>
    }
    .into_any()
}

fn state(data: &shops::Trial) -> AnyView {
    match data.shop.state {
        ShopState::TrialRun => {
            view! { <Banner tone=Tone::Waiting icon="eye" lead=t::shops::trial_lead()>{t::shops::trial_text()}</Banner> }.into_any()
        }
        ShopState::Live => {
            let since = data.shop.deliver_from.map(format::moment).unwrap_or_default();
            view! { <Banner tone=Tone::Delivered icon="radio" lead=t::shops::live_lead()>{t::shops::live_text(since)}</Banner> }.into_any()
        }
        ShopState::Stopped | ShopState::Disconnected => {
            let act = (format!("/console/shops/{}", data.shop.shop), t::preflight::look().to_owned());
            view! { <Banner tone=Tone::Exception icon="triangle-alert" lead=t::shops::stopped_lead() act=act>{t::trial::not_working()}</Banner> }.into_any()
        }
    }
}

fn orders(data: &shops::Trial, can_tick: bool) -> AnyView {
    if data.orders.is_empty() {
        let (title, reason) = match (data.shop.state, data.is_first) {
            (ShopState::Live, _) => (t::trial::is_live(), t::trial::is_live_text()),
            (_, true) => (t::trial::none(), t::trial::none_text()),
            (_, false) => (t::trial::no_more(), t::trial::no_more_text()),
        };
        return view! { <Empty icon="inbox" title=title reason=reason/> }.into_any();
    }
    let columns = vec![
        Column::words(t::trial::tick()),
        Column::words(t::trial::order()),
        Column::words(t::trial::goods()),
        Column::words(t::trial::what()),
        Column::numbers(t::trial::paid()),
        Column::numbers(t::trial::ship_by()),
    ];
    let page = format!("/console/shops/{}/trial", data.shop.shop);
    let next = data.next.map(|after| format!("{page}?after={after}"));
    let previous = (!data.is_first).then_some(page);
    let shown = t::trial::shown(u64::try_from(data.orders.len()).unwrap_or_default());
    let rows: Vec<AnyView> = data.orders.iter().map(|order| row(order, can_tick, data.now)).collect();
    view! {
        <Table caption=t::trial::would() columns=columns>{rows}</Table>
        <div class="px-4 py-3"><Pagination shown=shown previous=previous next=next/></div>
    }
    .into_any()
}

fn row(order: &TrialOrder, can_tick: bool, now: DateTime<Utc>) -> AnyView {
    let is_backlog = order.paid_at.is_some_and(|paid_at| paid_at < now);
    let sn = order.order_sn.to_string();
    // What a person must look at first cannot be released by a tick.
    let tick = (can_tick && is_backlog && matches!(order.would, Would::Send { .. })).then(|| {
        let label = t::trial::tick_order(&sn);
        view! { <input class="checkbox" type="checkbox" form=FORM name="order" value=sn.clone() aria-label=label/> }
    });
    view! {
        <tr>
            <td>{tick}</td>
            <td class="mono">{sn}</td>
            <td class="full">{order.goods.clone()}" × "{order.quantity}</td>
            <td class="full">{would(&order.would)}</td>
            <td class="r">{order.paid_at.map(|at| view! { <Moment at=at/> })}</td>
            <td class="r rt">{order.last_ship_at.map(|at| view! { <Moment at=at/> })}</td>
        </tr>
    }
    .into_any()
}

fn would(would: &Would) -> AnyView {
    let (tone, icon, words) = match would {
        Would::Send { pool: Some((_, pool)), cards, .. } => {
            (Tone::Sending, "send", t::trial::would_send(pool, count(i64::from(*cards))))
        }
        Would::Send { pool: None, .. } => (Tone::Sending, "send", t::trial::would_declare().to_owned()),
        Would::PlatformSends => (Tone::Waiting, "package", t::trial::platform_sends().to_owned()),
        Would::Wait(_) => (Tone::Waiting, "clock", t::trial::would_wait().to_owned()),
        Would::Ask(ReasonCode::UnmappedSku) => (Tone::Review, "hand", t::trial::ask_mapping().to_owned()),
        Would::Ask(_) => (Tone::Review, "hand", t::trial::would_ask().to_owned()),
        Would::Nothing => (Tone::Closed, "circle-slash", t::trial::nothing().to_owned()),
    };
    view! { <Badge tone=tone icon=icon>{words}</Badge> }.into_any()
}

/// Where deliveries begin.
fn start(data: &shops::Trial) -> AnyView {
    let needs = data.verification.as_ref().filter(|verification| !verification.may_go_live);
    let identity = needs.map(|verification| {
        let act = ("/console/verification".to_owned(), t::preflight::verify().to_owned());
        let expected = verification.submissions.first().and_then(|submission| submission.expected_by);
        match (verification.standing, expected) {
            (Standing::Submitted, Some(by)) => {
                view! { <Banner tone=Tone::Waiting icon="clock">{t::trial::identity_expected(format::moment(by))}</Banner> }.into_any()
            }
            _ => view! { <Banner tone=Tone::Review icon="shield-check" act=act>{t::preflight::verify_why()}</Banner> }.into_any(),
        }
    });
    let choice = |value: &'static str, checked: bool, name: &'static str, text: &'static str| {
        view! {
            <label class="flex gap-2.5 items-start">
                <span class="tick"><input type="radio" name="start" value=value checked=checked/></span>
                <span class="min-w-0"><span class="font-medium">{name}</span><span class="sub block">{text}</span></span>
            </label>
        }
    };
    let action = format!("/console/shops/{}/live", data.shop.shop);
    let is_barred = needs.is_some();
    view! {
        <Card title=t::trial::go_live()>
            <form id=FORM class="p-4 grid gap-4" method="post" action=action>
                {identity}
                <fieldset class="grid gap-3">
                    <legend class="lab mb-2">{t::trial::from_when()}</legend>
                    {choice("now", true, t::trial::from_now(), t::trial::from_now_text())}
                    {choice("backlog", false, t::trial::with_backlog(), t::trial::with_backlog_text())}
                </fieldset>
                <Submit class="w-full" look=Look::Primary disabled=is_barred><Icon name="radio"/>{t::trial::go_live()}</Submit>
                <p class="sub">{t::trial::sudo_note()}</p>
            </form>
        </Card>
    }
    .into_any()
}
