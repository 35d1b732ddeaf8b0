//! What became of an import that has refused lines: which, and why. Of a card nothing is shown.

use kamiflow_domain::card_file::RejectedLine;
use kamiflow_kernel::Locale;
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Banner, Card, Column, Look, Table, Tone};
use crate::layouts::Section;
use crate::views::stock::ImportResult as Data;
use crate::{context, format, locale, t};

/// The answer to the form, shown once.
#[component]
pub(crate) fn ImportResult() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let page = format!("/console/pools/{}", data.pool);
    let trail = (page.clone(), t::console::pools().to_owned());
    let (taken, rejected) = (format::count(data.taken), format::count(data.rejected));
    let (tone, icon, text) = if data.taken == 0 {
        (Tone::Exception, "circle-x", t::stock::import_nothing(rejected))
    } else {
        (Tone::Review, "circle-alert", t::stock::import_partly(taken, rejected))
    };
    let rows = data.lines.iter().map(row).collect_view();
    let columns = vec![Column::numbers(t::stock::line()), Column::words(t::stock::reason())];
    let unnamed = usize::try_from(data.rejected).unwrap_or(usize::MAX).saturating_sub(data.lines.len());
    let unnamed = u64::try_from(unnamed).ok().filter(|n| *n > 0);
    view! {
        <ConsolePage section=Section::Pools title=t::stock::import_title() context=t::stock::import_context() trail=trail>
            <Banner tone=tone icon=icon>{text}</Banner>
            <Card title=t::stock::refused_lines()>
                <Table caption=t::stock::refused_lines() columns=columns>{rows}</Table>
                {unnamed.map(|n| view! { <p class="p-4 sub">{t::stock::more_lines(n)}</p> })}
            </Card>
            <div><a class=Look::Primary.class() href=page>{t::stock::import_again()}</a></div>
        </ConsolePage>
    }
    .into_any()
}

fn row(rejected: &RejectedLine) -> impl IntoView + use<> {
    let reason = match locale::current() {
        Locale::Zh => rejected.reason.zh(),
        Locale::En => rejected.reason.en(),
    };
    view! { <tr><td class="r">{format::count(rejected.line)}</td><td>{reason}</td></tr> }
}
