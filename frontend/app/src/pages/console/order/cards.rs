//! The cards of an order, masked, the way to see them, and the receipts of each attempt.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use kamiflow_domain::reveal_cards::Reveals;
use kamiflow_domain::show_order::{AttemptView, DeliveryView, LineView, OrderView};
use leptos::prelude::*;

use super::why::counted;
use crate::components::{Badge, Card, Column, Icon, Look, Submit, Table, Tone};
use crate::views::orders::OrderPage;
use crate::{format, t};

/// The cards, and a form that shows them.
#[component]
pub(super) fn Cards(data: Arc<OrderPage>) -> AnyView {
    let Some(order) = &data.order else { return ().into_any() };
    let Some(delivery) = &order.delivery else { return ().into_any() };
    let needed = counted(delivery.lines_expected);
    let sent = if delivery.delivered_at.is_some() { needed } else { 0 };
    let body = if delivery.lines.is_empty() {
        let made_elsewhere = delivery.method == "platform_codes";
        let text = if made_elsewhere { t::order::card_platform() } else { t::order::card_unassigned() };
        view! { <p class="p-4 text-sm text-ink2">{text}</p> }.into_any()
    } else {
        view! { <Lines delivery=delivery.clone()/> }.into_any()
    };
    let path = format!("/console/shops/{}/orders/{}/cards", data.shop.shop, data.order_sn);
    let reveal = data.reveals.filter(|_| order.has_sent_cards());
    view! {
        <Card title=t::order::card_title() context=t::order::card_count(needed, sent) class="overflow-hidden">
            {body}
            {reveal.map(|reveals| view! { <Reveal path=path reveals=reveals/> })}
        </Card>
    }
    .into_any()
}

#[component]
fn Lines(delivery: DeliveryView) -> AnyView {
    let columns = vec![Column::words(t::order::card_no()), Column::words(t::order::card_number())];
    let row = |line: &LineView| {
        let card = match &line.card {
            Some(masked) => {
                let dots = masked.replace('*', "•");
                view! { <span class="mask" aria-hidden="true">{dots}</span><span class="sr-only">{t::order::card_masked()}</span> }
                    .into_any()
            }
            None => view! { <span class="text-ink3">{t::order::card_none()}</span> }.into_any(),
        };
        view! { <tr><td>{t::order::card_line(line.line_no)}</td><td class="rt">{card}</td></tr> }
    };
    let rows = delivery.lines.iter().map(row).collect_view();
    view! { <Table caption=t::order::card_title() columns=columns>{rows}</Table> }.into_any()
}

#[component]
fn Reveal(path: String, reveals: Reveals) -> AnyView {
    let left = reveals.left();
    let text = if left > 0 { t::order::reveal_text(left) } else { t::order::reveal_used(reveals.most) };
    view! {
        <form method="post" action=path class="border-t border-line p-4 bg-raised flex gap-3 items-center flex-wrap">
            <p class="sub flex gap-1.5 items-center flex-1 min-w-48"><Icon name="lock-keyhole" size="s"/>{text}</p>
            <Submit look=Look::Quiet class="sm" disabled=left == 0><Icon name="eye" size="s"/>{t::order::reveal()}</Submit>
        </form>
    }
    .into_any()
}

/// What was tried, with the number under which the platform knows it.
#[component]
pub(super) fn Receipts(order: OrderView, now: DateTime<Utc>) -> AnyView {
    let attempts = order.delivery.map(|delivery| delivery.attempts).unwrap_or_default();
    if attempts.is_empty() {
        return ().into_any();
    }
    let columns = vec![
        Column::words(t::order::receipt_n()),
        Column::words(t::order::receipt_state()),
        Column::words(t::order::receipt_key()),
        Column::numbers(t::order::receipt_at()),
    ];
    let rows = attempts.iter().rev().map(|attempt| receipt(attempt, now)).collect_view();
    view! {
        <Card title=t::order::receipts() class="overflow-hidden">
            <Table caption=t::order::receipts() columns=columns>{rows}</Table>
        </Card>
    }
    .into_any()
}

fn receipt(attempt: &AttemptView, now: DateTime<Utc>) -> AnyView {
    let (tone, icon, word) = match attempt.state.as_str() {
        "started" => (Tone::Sending, "send", t::order::att_started()),
        "succeeded" => (Tone::Delivered, "check", t::order::att_succeeded()),
        "resolved_delivered" => (Tone::Delivered, "check", t::order::att_resolved_delivered()),
        "failed" => (Tone::Exception, "circle-x", t::order::att_failed()),
        "unknown" => (Tone::Review, "circle-question-mark", t::order::att_unknown()),
        "resolved_not_delivered" => (Tone::Closed, "circle-slash", t::order::att_resolved_not_delivered()),
        _ => (Tone::Waiting, "clock", t::order::att_planned()),
    };
    let started = attempt.started_at.map_or_else(|| "—".to_owned(), |at| format::second(at, now));
    let has_answer = attempt.outcome.as_object().is_some_and(|answer| answer.keys().next().is_some());
    let answer = has_answer.then(|| {
        view! {
            <details class="mt-1">
                <summary class="lnk text-xs">{t::order::receipt_answer()}</summary>
                <code class="mono text-xs text-ink2">{attempt.outcome.to_string()}</code>
            </details>
        }
    });
    view! {
        <tr>
            <td>{attempt.n}</td>
            <td class="rt"><Badge tone=tone icon=icon>{word}</Badge></td>
            <td class="full min-w-0"><span class="mono text-xs">{attempt.idempotency_key.clone()}</span>{answer}</td>
            <td class="r">{started}</td>
        </tr>
    }
    .into_any()
}
