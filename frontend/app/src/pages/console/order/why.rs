//! Why an order stands where it stands: one sentence, the facts, and the acts that are safe.

use std::sync::Arc;

use kamiflow_domain::show_order::{OrderView, StandingView};
use kamiflow_kernel::{OrderState, ShopState};
use leptos::prelude::*;

use super::words;
use crate::components::{Fact, Icon, Look, Submit, Tone, Why};
use crate::views::orders::OrderPage;
use crate::{format, t};

/// What is said.
struct Said {
    tone: Tone,
    question: &'static str,
    answer: String,
}

/// The panel; nothing for an order that goes its way.
#[component]
pub(super) fn WhyPanel(data: Arc<OrderPage>) -> AnyView {
    let Some(order) = &data.order else { return ().into_any() };
    let Some(said) = said(&data, order) else { return ().into_any() };
    view! {
        <Why question=said.question answer=said.answer facts=facts(&data, order) tone=said.tone>
            <Acts data=data.clone()/>
        </Why>
    }
    .into_any()
}

/// The widest reason comes first, because it must end first.
fn said(data: &OrderPage, order: &OrderView) -> Option<Said> {
    let stopped = |tone, answer: String| Said { tone, question: t::order::why_stopped(), answer };
    if let Some(answer) = words::closed(&order.state, &order.state_cause) {
        let answer = words::worst(order).map_or(answer, |open| words::reason(&open.code).1);
        return Some(Said { tone: Tone::Closed, question: t::order::why_closed(), answer: answer.to_owned() });
    }
    let is_over = order.state.parse::<OrderState>().is_ok_and(OrderState::is_end);
    if let Some(standing) = order.shop_standing.as_ref().filter(|standing| !is_over && standing.level != "api") {
        return Some(stopped(Tone::Exception, stands(standing)));
    }
    if let Some(open) = words::worst(order) {
        let tone = if open.needs_review { Tone::Review } else { Tone::Exception };
        return Some(stopped(tone, words::reason(&open.code).1.to_owned()));
    }
    if order.state == OrderState::HeldBacklog.as_str() {
        return Some(stopped(Tone::Review, t::order::wait_held().to_owned()));
    }
    let answer = waits(data, order)?.to_owned();
    Some(Said { tone: Tone::Waiting, question: t::order::why_waiting(), answer })
}

fn stands(standing: &StandingView) -> String {
    match standing.level {
        "application" => t::order::stand_application(&standing.reason),
        _ => t::order::stand_shop(&standing.reason),
    }
}

/// What an order waits for that nobody has to do anything about.
fn waits(data: &OrderPage, order: &OrderView) -> Option<&'static str> {
    let sent = !matches!(
        order.state.parse(),
        Ok(OrderState::Seen | OrderState::AwaitingCards | OrderState::Reserved | OrderState::HandingOver)
    );
    if sent {
        return None;
    }
    let platform = &order.platform;
    Some(match () {
        () if order.paused => t::order::wait_paused(),
        () if data.shop.state == ShopState::TrialRun => t::order::wait_trial(),
        () if platform.risk_control_status == 1 => t::order::wait_risk(),
        () if matches!(platform.refund_status, 2 | 3) => t::order::wait_refund(),
        () if platform.confirm_status == 0 => t::order::wait_deal(),
        () if order.delivery.as_ref().is_some_and(|delivery| delivery.method.starts_with("platform_")) => {
            t::order::wait_platform()
        }
        () => return None,
    })
}

fn facts(data: &OrderPage, order: &OrderView) -> Vec<Fact> {
    let fact = |name: &str, value: String| Fact { name: name.to_owned(), value, is_urgent: false };
    let mut facts = Vec::new();
    let delivered = order.delivery.as_ref().is_some_and(|delivery| delivery.delivered_at.is_some());
    let closed = words::closed(&order.state, &order.state_cause).is_some();
    if let Some(until) = order.platform.last_ship_at.filter(|_| !delivered && !closed) {
        let is_late = until < data.now;
        let at = format::minute(until, data.now);
        let value = if is_late { t::order::fact_late(at) } else { at };
        facts.push(Fact { is_urgent: is_late, ..fact(t::order::fact_deadline(), value) });
    }
    if let Some(delivery) = order.delivery.as_ref().filter(|delivery| delivery.delivered_at.is_none() && !closed) {
        facts.push(fact(t::order::fact_cards(), t::order::cards(counted(delivery.lines_expected))));
        if delivery.failures > 0 {
            facts.push(fact(t::order::fact_failures(), t::order::times(counted(delivery.failures))));
        }
        if let Some(due) = delivery.due_at {
            facts.push(fact(t::order::fact_again(), format::minute(due, data.now)));
        }
    }
    facts
}

/// Returns a count that is never negative.
pub(super) fn counted(number: i32) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// What may be done: acts here, and links to where the cause is cured.
#[component]
fn Acts(data: Arc<OrderPage>) -> AnyView {
    let Some(order) = &data.order else { return ().into_any() };
    let path = format!("/console/shops/{}/orders/{}", data.shop.shop, data.order_sn);
    let retry = (data.may_handle && order.offers_retry()).then(|| {
        view! {
            <form method="post" action=format!("{path}/retry")>
                <Submit><Icon name="arrow-right" size="s"/>{t::order::retry()}</Submit>
            </form>
        }
    });
    let release =
        (data.may_handle && order.offers_release()).then(|| view! { <Release path=path.clone() order=order.clone()/> });
    let links = links(&data, order).into_iter().map(|(icon, href, name)| {
        view! { <a class=Look::Quiet.class() href=href><Icon name=icon size="s"/>{name}</a> }
    });
    view! { {retry}{links.collect_view()}{release} }.into_any()
}

/// Where the cause is cured, by what the open exceptions allow.
fn links(data: &OrderPage, order: &OrderView) -> Vec<(&'static str, String, &'static str)> {
    use kamiflow_kernel::Action;
    let allows = |action| order.exceptions.iter().any(|open| open.allows(action));
    let shop = data.shop.shop;
    let mut links = Vec::new();
    if allows(Action::AddStock) {
        links.push(("upload", "/console/pools".to_owned(), t::order::act_stock()));
    }
    if allows(Action::MapSku) {
        links.push(("package", format!("/console/products?shop={shop}"), t::order::act_map()));
    }
    if allows(Action::Verify) {
        links.push(("shield-check", "/console/verification".to_owned(), t::order::act_verify()));
    }
    let held = order.state == OrderState::HeldBacklog.as_str();
    if allows(Action::Reauthorize) || order.shop_standing.is_some() || held {
        links.push(("store", format!("/console/shops/{shop}"), t::order::act_shop()));
    }
    links
}

/// Giving up is confirmed where it is asked, so that it works without a script.
#[component]
fn Release(path: String, order: OrderView) -> AnyView {
    let count = order.delivery.as_ref().map_or(0, |delivery| counted(delivery.lines_expected));
    view! {
        <details class="max-w-md">
            <summary class=Look::Danger.class()>{t::order::release()}</summary>
            <form method="post" action=format!("{path}/release") class="grid gap-3 justify-items-start pt-3">
                <p class="text-sm text-ink2 leading-6">{t::order::release_text(count)}</p>
                <Submit look=Look::Irreversible>{t::order::release_yes(count)}</Submit>
            </form>
        </details>
    }
    .into_any()
}
