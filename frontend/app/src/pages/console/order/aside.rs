//! Beside an order: what was bought, what the platform says, its redemptions, and what cannot be done.

use chrono::{DateTime, Utc};
use kamiflow_domain::show_order::{OrderView, RedemptionLine};
use kamiflow_kernel::{Action, Fen, Locale};
use leptos::prelude::*;

use super::words;
use crate::components::{Badge, Card, Icon, Tone};
use crate::{format, locale, t};

/// A list of facts.
fn facts(facts: Vec<(&'static str, AnyView)>) -> AnyView {
    let fact = |(name, value): (&'static str, AnyView)| {
        view! { <dt class="text-ink3">{name}</dt><dd class="min-w-0">{value}</dd> }
    };
    view! {
        <dl class="grid grid-cols-[5.5rem_minmax(0,1fr)] gap-y-2 gap-x-3 text-sm">
            {facts.into_iter().map(fact).collect_view()}
        </dl>
    }
    .into_any()
}

/// A moment in full.
fn moment(at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> AnyView {
    at.map_or_else(|| "—".to_owned(), |at| format::minute(at, now)).into_any()
}

/// What was bought.
#[component]
pub(super) fn Goods(order: OrderView, now: DateTime<Utc>) -> AnyView {
    let item = order.item;
    let units = t::order::goods_units(&item.spec, item.quantity);
    let method = order.delivery.as_ref().map_or("", |delivery| delivery.method.as_str());
    let rows = vec![
        (t::order::paid(), view! { <b class="font-semibold">{format::yuan(Fen(item.paid_fen))}</b> }.into_any()),
        (t::order::paid_at(), moment(order.platform.paid_at, now)),
        (t::order::method(), words::method(method).into_any()),
        (t::order::sku(), view! { <span class="mono">{item.sku_id}</span> }.into_any()),
    ];
    view! {
        <Card title=t::order::goods()>
            <div class="p-4 grid gap-3.5">
                <div class="flex gap-3">
                    <span class=format!("disc square {}", Tone::Brand.class())><Icon name="package"/></span>
                    <div class="min-w-0">
                        <div class="font-medium">{item.name}</div>
                        <div class="sub">{units}</div>
                    </div>
                </div>
                <div class="h-px bg-line"></div>
                {facts(rows)}
            </div>
        </Card>
    }
    .into_any()
}

/// What the platform said last.
#[component]
pub(super) fn Platform(order: OrderView, now: DateTime<Utc>) -> AnyView {
    let platform = &order.platform;
    let state = match platform.order_status {
        1 => t::order::p_to_ship(),
        2 => t::order::p_shipped(),
        3 => t::order::p_received(),
        _ => "—",
    };
    let after_sale = match platform.refund_status {
        1 => calm(t::order::p_no_after_sale()),
        4 => t::order::p_refunded().into_any(),
        _ => alarming(t::order::p_refunding()),
    };
    let risk = match platform.risk_control_status {
        0 => calm(t::order::p_risk_ok()),
        _ => alarming(t::order::p_risk_open()),
    };
    let deal = match platform.confirm_status {
        1 => t::order::p_deal_made(),
        2 => t::order::p_deal_cancelled(),
        _ => t::order::p_deal_open(),
    };
    let rows = vec![
        (t::order::p_order(), state.into_any()),
        (t::order::p_deal(), deal.into_any()),
        (t::order::p_after_sale(), after_sale),
        (t::order::p_risk(), risk),
        (t::order::fact_deadline(), moment(platform.last_ship_at, now)),
        (t::order::p_read(), format::second(platform.read_at, now).into_any()),
    ];
    view! { <Card title=t::order::platform()><div class="p-4">{facts(rows)}</div></Card> }.into_any()
}

fn calm(word: &'static str) -> AnyView {
    view! { <span class="text-ok inline-flex gap-1 items-center"><Icon name="circle-check" size="s"/>{word}</span> }
        .into_any()
}

fn alarming(word: &'static str) -> AnyView {
    view! { <span class="text-warn inline-flex gap-1 items-center"><Icon name="circle-alert" size="s"/>{word}</span> }
        .into_any()
}

/// How it is declared used.
#[component]
pub(super) fn Redemptions(order: OrderView, now: DateTime<Utc>) -> AnyView {
    if order.redemptions.is_empty() {
        return view! {
            <Card title=t::order::redemption()><p class="p-4 text-sm text-ink2">{t::order::red_none()}</p></Card>
        }
        .into_any();
    }
    let rows = order.redemptions.iter().map(|line| redemption(line, now)).collect_view();
    view! { <Card title=t::order::redemption()><ul class="p-4 grid gap-3">{rows}</ul></Card> }.into_any()
}

fn redemption(line: &RedemptionLine, now: DateTime<Utc>) -> AnyView {
    let (tone, icon, word) = match line.state.as_str() {
        "awaiting_approval" => (Tone::Review, "hand", t::order::red_awaiting_approval()),
        "calling" => (Tone::Sending, "send", t::order::red_calling()),
        "done" => (Tone::Redeemed, "badge-check", t::order::red_done()),
        "stopped" => (Tone::Closed, "circle-slash", t::order::red_stopped()),
        _ => (Tone::Waiting, "clock", t::order::red_waiting()),
    };
    let when = match (line.done_at, line.due_at) {
        (Some(done), _) => Some(t::order::red_done_at(format::minute(done, now))),
        (None, Some(due)) => Some(t::order::red_due(format::minute(due, now))),
        (None, None) => None,
    };
    let said = explained(line).into_iter().map(|sentence| view! { <p class="text-sm text-ink2">{sentence}</p> });
    view! {
        <li class="grid gap-1">
            <div class="flex items-center gap-2 flex-wrap"><Badge tone=tone icon=icon>{word}</Badge><span class="sub">{when}</span></div>
            {said.collect_view()}
        </li>
    }
    .into_any()
}

/// Returns the stored explanation in the page's language, one sentence per step.
fn explained(line: &RedemptionLine) -> Vec<String> {
    let language = match locale::current() {
        Locale::Zh => "zh",
        Locale::En => "en",
    };
    let steps = line.explanation.as_array().into_iter().flatten();
    steps.filter_map(|step| step.get(language)?.as_str().map(str::to_owned)).collect()
}

/// What is closed, and why.
#[component]
pub(super) fn Cannot(order: OrderView, may_handle: bool) -> AnyView {
    let forbids = |action: Action| order.exceptions.iter().any(|open| open.forbidden.contains(&action.as_str()));
    let delivered = order.delivery.as_ref().is_some_and(|delivery| delivery.delivered_at.is_some());
    let open = !order.exceptions.is_empty();
    let reasons = [
        (!may_handle, t::order::cannot_viewer()),
        (!delivered, t::order::cannot_redeem()),
        (open && !order.offers_retry(), t::order::cannot_retry()),
        (forbids(Action::SendOtherCards), t::order::cannot_other_cards()),
        (forbids(Action::RestoreCards), t::order::cannot_restore()),
    ];
    let rows: Vec<_> = reasons.into_iter().filter(|(applies, _)| *applies).map(|(_, text)| text).collect();
    if rows.is_empty() {
        return ().into_any();
    }
    let row = |text| view! { <li class="flex gap-2"><span class="tick"><Icon name="ban" size="s"/></span><span>{text}</span></li> };
    view! {
        <Card title=t::order::cannot()>
            <ul class="p-4 grid gap-2.5 text-sm text-ink2">{rows.into_iter().map(row).collect_view()}</ul>
        </Card>
    }
    .into_any()
}
