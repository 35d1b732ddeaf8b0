//! An order as people read it: where it is, what is open about it, and how it came there.

use chrono::{DateTime, Utc};
use kamiflow_domain::show_order::{DeliveryView, OrderView, StandingView};
use serde_json::Value;

use crate::console::{Console, Table, Tone};

/// Characters of particulars on one line.
const DETAIL_WIDTH: usize = 100;

/// Prints an order.
pub(super) fn show(view: &OrderView, console: Console) {
    let strong = |text: &str| console.toned(Tone::Strong, text);
    console.print(format_args!("{}  {}  ({})", strong(&view.order_sn), view.state, view.state_cause));
    let mut table = Table::default();
    let fact = |table: &mut Table, name: &str, value: String| {
        table.row([(name.to_owned(), Some(Tone::Faint)), (value, None)]);
    };
    let item = &view.item;
    fact(&mut table, "item", format!("{} {} × {}", item.name, item.spec, item.quantity));
    fact(
        &mut table,
        "paid",
        format!("{}.{:02} yuan, {}", item.paid_fen / 100, item.paid_fen % 100, moment(view.platform.paid_at)),
    );
    let platform = &view.platform;
    fact(
        &mut table,
        "platform",
        format!(
            "order {} refund {} confirm {} risk {} after-sales {}",
            platform.order_status,
            platform.refund_status,
            platform.confirm_status,
            platform.risk_control_status,
            platform.after_sales_status
        ),
    );
    fact(&mut table, "ship by", moment(platform.last_ship_at));
    fact(&mut table, "read", moment(Some(platform.read_at)));
    fact(&mut table, "shop", view.shop.to_string());
    if let Some(standing) = &view.shop_standing {
        let StandingView { level, reason, text, since } = standing;
        let since = since.map_or_else(String::new, |since| format!(" since {}", moment(Some(since))));
        let value = format!("{level} {reason}{since}: {text}");
        table.row([("stopped".to_owned(), Some(Tone::Faint)), (value, Some(Tone::Bad))]);
    }
    if !view.verdict.is_empty() {
        fact(&mut table, "verdict", view.verdict.clone());
    }
    table.print(console);
    if let Some(delivery) = &view.delivery {
        console.print(format_args!("{}", strong("Delivery")));
        show_delivery(delivery, console);
    }
    show_redemptions(view, console);
    show_exceptions(view, console);
    console.print(format_args!("{}", strong("Events")));
    let mut table = Table::new(&["at", "what", ""]);
    for event in &view.events {
        let detail = (short(&event.detail), Some(Tone::Faint));
        table.row([(moment(Some(event.at)), None), (event.kind.clone(), None), detail]);
    }
    table.print(console);
}

fn show_delivery(delivery: &DeliveryView, console: Console) {
    let DeliveryView { state, method, lines_expected, delivered_at, due_at, failures, .. } = delivery;
    let when = match (delivered_at, due_at) {
        (Some(at), _) => format!("delivered {}", moment(Some(*at))),
        (None, Some(due)) => format!("looked at again {}", moment(Some(*due))),
        (None, None) => "not looked at by itself".to_owned(),
    };
    console.print(format_args!("  {state} by {method}, {lines_expected} lines, {when}, {failures} failures in a row"));
    let cards: Vec<&str> = delivery.lines.iter().filter_map(|line| line.card.as_deref()).collect();
    if !cards.is_empty() {
        console.print(format_args!("  cards {}", cards.join("  ")));
    }
    let mut table = Table::new(&["attempt", "state", "started", "answer"]);
    for attempt in &delivery.attempts {
        table.row([
            (attempt.n.to_string(), None),
            (attempt.state.clone(), None),
            (moment(attempt.started_at), None),
            (short(&attempt.outcome), Some(Tone::Faint)),
        ]);
    }
    if !table.is_empty() {
        table.print(console);
    }
}

fn show_redemptions(view: &OrderView, console: Console) {
    let mut table = Table::new(&["redemption", "method", "due", "done", "why"]);
    for line in &view.redemptions {
        table.row([
            (line.state.clone(), None),
            (line.method.clone(), None),
            (moment(line.due_at), None),
            (moment(line.done_at), None),
            (short(&line.explanation), Some(Tone::Faint)),
        ]);
    }
    if !table.is_empty() {
        console.print(format_args!("{}", console.toned(Tone::Strong, "Redemption")));
        table.print(console);
    }
}

fn show_exceptions(view: &OrderView, console: Console) {
    for exception in &view.exceptions {
        let tone = if exception.blocking || exception.needs_review { Tone::Bad } else { Tone::Warn };
        let code = console.toned(tone, &exception.code);
        let holds = if exception.needs_review {
            " waits for a person"
        } else if exception.blocking {
            " holds the order"
        } else {
            ""
        };
        console.print(format_args!("{}: {code}{holds}", console.toned(Tone::Strong, "Open")));
        let mut table = Table::default();
        let lists = [
            ("by itself", exception.automatic.to_owned()),
            ("safe", exception.safe.join(", ")),
            ("never", exception.forbidden.join(", ")),
            ("detail", short(&exception.detail)),
        ];
        for (name, text) in lists.into_iter().filter(|(_, text)| !text.is_empty()) {
            table.row([(name.to_owned(), Some(Tone::Faint)), (text, None)]);
        }
        table.print(console);
    }
}

fn moment(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "-".to_owned(), |at| at.format("%Y-%m-%d %H:%M:%S%.3fZ").to_string())
}

fn short(value: &Value) -> String {
    let text = match value {
        Value::Null => return String::new(),
        Value::Object(fields) if fields.is_empty() => return String::new(),
        value => value.to_string(),
    };
    match text.char_indices().nth(DETAIL_WIDTH) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}
