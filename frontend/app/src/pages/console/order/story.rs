//! What happened to an order, newest first, in plain words.

use chrono::{DateTime, Utc};
use kamiflow_domain::show_order::{EventView, OrderView};
use kamiflow_kernel::{Fen, format_platform_time};
use leptos::prelude::*;

use super::words;
use crate::components::{Card, Event, Timeline, Tone};
use crate::{format, t};

/// The events, and the payment that came before all of them.
#[component]
pub(super) fn Story(order: OrderView, now: DateTime<Utc>) -> AnyView {
    let mut events: Vec<Event> = order.events.iter().rev().map(|event| told(event, now)).collect();
    if let Some(paid) = order.platform.paid_at {
        let (amount, count) = (format::yuan(Fen(order.item.paid_fen)), order.item.quantity);
        let words = Words::new(Tone::Waiting, "circle-dollar-sign", t::order::ev_paid());
        events.push(words.with(t::order::ev_paid_text(amount, count)).at(paid, now));
    }
    let body = if events.is_empty() {
        view! { <p class="p-4 text-ink2">{t::order::story_none()}</p> }.into_any()
    } else {
        view! { <div class="p-4 pb-1"><Timeline events=events/></div> }.into_any()
    };
    view! { <Card title=t::order::story() context=t::order::story_context()>{body}</Card> }.into_any()
}

/// An event without its moment.
struct Words {
    tone: Tone,
    icon: &'static str,
    title: String,
    detail: String,
}

impl Words {
    fn new(tone: Tone, icon: &'static str, title: impl Into<String>) -> Self {
        Self { tone, icon, title: title.into(), detail: String::new() }
    }

    fn with(self, detail: impl Into<String>) -> Self {
        Self { detail: detail.into(), ..self }
    }

    fn at(self, at: DateTime<Utc>, now: DateTime<Utc>) -> Event {
        let Self { tone, icon, title, detail } = self;
        Event { tone, icon, title, detail, moment: format::second(at, now), exact: Some(format_platform_time(at)) }
    }
}

fn told(event: &EventView, now: DateTime<Utc>) -> Event {
    let words = of_delivery(event).or_else(|| of_people(event)).or_else(|| of_redemption(event));
    let other = || Words::new(Tone::Waiting, "info", t::order::ev_other(&event.kind));
    words.unwrap_or_else(other).at(event.at, now)
}

fn text<'a>(event: &'a EventView, name: &str) -> &'a str {
    event.detail.get(name).and_then(|value| value.as_str()).unwrap_or_default()
}

fn number(event: &EventView, name: &str) -> i64 {
    event.detail.get(name).and_then(|value| value.as_i64()).unwrap_or_default()
}

fn of_delivery(event: &EventView) -> Option<Words> {
    Some(match event.kind.as_str() {
        "seen" => Words::new(Tone::Waiting, "inbox", t::order::ev_seen()).with(match text(event, "source") {
            "push" => t::order::ev_seen_push(),
            "person" => t::order::ev_seen_person(),
            _ => t::order::ev_seen_window(),
        }),
        "changed" => Words::new(Tone::Waiting, "store", t::order::ev_changed()),
        "state" => {
            let state = words::state(text(event, "to"), text(event, "cause"));
            Words::new(Tone::Waiting, "split", t::order::ev_state(state))
        }
        "handing_over" => {
            let n = number(event, "attempt");
            let is_again = event.detail.get("identical").is_some();
            let detail = if is_again {
                t::order::ev_again_text(n)
            } else {
                t::order::ev_handing_over_text(n, number(event, "lines"))
            };
            Words::new(Tone::Sending, "send", t::order::ev_handing_over()).with(detail)
        }
        "awaiting_cards" => Words::new(Tone::Exception, "layers", t::order::ev_awaiting_cards())
            .with(t::order::ev_awaiting_cards_text(number(event, "cards"))),
        "needs_review" => Words::new(Tone::Review, "hand", t::order::ev_review()).with(t::order::ev_review_text()),
        "delivered" => {
            let lines = number(event, "lines");
            let detail = match text(event, "by") {
                "platform" => t::order::ev_delivered_platform(lines),
                "evidence" => t::order::ev_delivered_evidence(lines),
                _ => t::order::ev_delivered_text(lines),
            };
            Words::new(Tone::Delivered, "package-check", t::order::ev_delivered()).with(detail)
        }
        "attempt_failed" => {
            Words::new(Tone::Exception, "circle-x", t::order::ev_failed()).with(t::order::ev_failed_text())
        }
        "refund_raced" => {
            let (title, sentence) = words::reason("refund_raced");
            Words::new(Tone::Exception, "undo-2", title).with(sentence)
        }
        "ship_by_near" => {
            Words::new(Tone::Review, "clock-alert", t::order::ev_ship_by()).with(t::order::ev_ship_by_text())
        }
        _ => return None,
    })
}

fn of_people(event: &EventView) -> Option<Words> {
    Some(match event.kind.as_str() {
        "released" => Words::new(Tone::Closed, "ban", t::order::ev_released())
            .with(t::order::ev_released_text(number(event, "cards_quarantined"))),
        "retried" => Words::new(Tone::Waiting, "arrow-right", t::order::ev_retried()),
        "released_backlog" => Words::new(Tone::Waiting, "arrow-right", t::order::ev_backlog()),
        "use_reported" => Words::new(Tone::Waiting, "check", t::order::ev_use()),
        "seen_by_buyer" => Words::new(Tone::Delivered, "eye", t::order::ev_buyer()),
        "cards_revealed" => Words::new(Tone::Waiting, "eye", t::order::ev_revealed())
            .with(t::order::ev_revealed_text(number(event, "cards"))),
        _ => return None,
    })
}

fn of_redemption(event: &EventView) -> Option<Words> {
    Some(match event.kind.as_str() {
        "redemption_done" => Words::new(Tone::Redeemed, "badge-check", t::order::ev_redeemed()),
        "redemption_stopped" => Words::new(Tone::Closed, "circle-slash", t::order::ev_red_stopped()),
        "redemption_held" => Words::new(Tone::Review, "hand", t::order::ev_red_held()),
        "redemption_again" => Words::new(Tone::Waiting, "clock", t::order::ev_red_again()),
        "redemption_unknown" => Words::new(Tone::Review, "circle-question-mark", t::order::ev_red_unknown()),
        "redemption_approved" => Words::new(Tone::Redeemed, "stamp", t::order::ev_red_approved()),
        _ => return None,
    })
}
