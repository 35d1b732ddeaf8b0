//! `/console/pauses`, and what shows and sets pauses on other pages: banners, what goes first, and the form.

use kamiflow_domain::pause::{CLOSING, PauseScope, PausedWork};
use kamiflow_domain::show_pauses::{First, PauseLine};
use leptos::prelude::*;

use super::ConsolePage;
use super::shops::count;
use crate::components::{Badge, Banner, Card, Empty, Field, Icon, Look, Moment, Submit, Tone, t_error};
use crate::layouts::Section;
use crate::views::pauses::{PauseTarget, Pauses as Data};
use crate::{context, format, t};

/// All pauses, or those of one thing.
#[component]
pub(crate) fn Pauses() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let title = if data.is_of_one { t::pauses::title() } else { t::pauses::all() };
    let context = data.form.as_ref().map(|form| form.name.clone()).filter(|name| !name.is_empty());
    let context = context.unwrap_or_else(|| t::pauses::context().to_owned());
    let nothing = (data.lines.is_empty() && !data.is_of_one).then(|| {
        view! { <div class="card"><Empty icon="pause" title=t::pauses::none() reason=t::pauses::none_text()/></div> }
    });
    let lines = data.lines.clone();
    view! {
        <ConsolePage section=Section::Dashboard title=title context=context>
            {nothing}
            <PauseBanners lines=lines.clone()/>
            {data.form.clone().map(|target| view! { <div class="max-w-xl"><PauseCard target=target lines=lines/></div> })}
        </ConsolePage>
    }
    .into_any()
}

/// Pauses in force, each with what waits, the button that ends it, and what goes on first then.
#[component]
pub(crate) fn PauseBanners(lines: Vec<PauseLine>) -> AnyView {
    let one = |line: PauseLine| {
        let first = (!line.first.is_empty()).then(|| going_first(&line));
        view! { {banner(&line)}{first} }
    };
    lines.into_iter().map(one).collect_view().into_any()
}

fn banner(line: &PauseLine) -> impl IntoView + use<> {
    let end = line.may_end.then(|| end(line));
    view! {
        <div class=format!("note {}", Tone::Review.class()) role="status">
            <Icon name="pause"/>
            <div class="min-w-0 flex-1 flex gap-x-4 gap-y-2 flex-wrap items-center">
                <p class="flex-1 min-w-56"><b>{lead(line)}</b>{sentence(line)}</p>
                {end}
            </div>
        </div>
    }
}

/// A pause of the merchant as a whole, above every page: it is ended where its page says what goes first then.
pub(super) fn reminder(line: &PauseLine) -> AnyView {
    let act = (format!("/console/pauses/{}", line.target), t::pauses::look().to_owned());
    let (lead, sentence) = (lead(line), sentence(line));
    view! { <Banner tone=Tone::Review icon="pause" lead=lead act=act>{sentence}</Banner> }.into_any()
}

fn lead(line: &PauseLine) -> String {
    match (line.work, line.name.is_empty()) {
        (PausedWork::Delivery, true) => t::pauses::delivery_everywhere().to_owned(),
        (PausedWork::Redemption, true) => t::pauses::redemption_everywhere().to_owned(),
        (PausedWork::Delivery, false) => t::pauses::delivery_of(kind(line.scope), &line.name),
        (PausedWork::Redemption, false) => t::pauses::redemption_of(kind(line.scope), &line.name),
    }
}

fn kind(scope: PauseScope) -> &'static str {
    match scope {
        PauseScope::Merchant => t::pauses::kind_merchant(),
        PauseScope::Shop(_) => t::pauses::kind_shop(),
        PauseScope::Sku(_) => t::pauses::kind_sku(),
        PauseScope::Pool(_) => t::pauses::kind_pool(),
        PauseScope::Batch(_) => t::pauses::kind_batch(),
    }
}

fn sentence(line: &PauseLine) -> String {
    let waiting = count(line.waiting);
    match line.ends_at {
        Some(ends_at) => t::pauses::until(reason(&line.reason), waiting, format::moment(ends_at)),
        None => t::pauses::without_end(reason(&line.reason), waiting),
    }
}

/// Returns why something is paused: our own reasons in words, people's as they wrote them.
pub(crate) fn reason(stored: &str) -> &str {
    if stored == CLOSING { t::pauses::reason_closing() } else { stored }
}

fn end(line: &PauseLine) -> impl IntoView + use<> {
    view! {
        <form method="post" action=format!("/console/pauses/{}/end", line.target)>
            <input type="hidden" name="work" value=line.work.as_str()/>
            <Submit look=Look::Quiet class="sm">{t::pauses::resume()}</Submit>
        </form>
    }
}

fn going_first(line: &PauseLine) -> impl IntoView + use<> {
    let row = |(order_sn, ship_by): First| {
        view! {
            <li class="flex gap-x-4 gap-y-1 flex-wrap px-4 py-2.5 text-sm">
                <span class="mono flex-1">{order_sn.to_string()}</span>
                {ship_by.map(|at| view! { <span class="text-ink2">{t::pauses::ship_by()}" "<Moment at=at/></span> })}
            </li>
        }
    };
    let rows = line.first.iter().cloned().map(row).collect_view();
    let context = match line.name.is_empty() {
        true => t::pauses::first_context().to_owned(),
        false => t::pauses::first_context_of(&line.name),
    };
    view! {
        <Card title=t::pauses::first() context=context>
            <ol class="divide-y divide-line">{rows}</ol>
        </Card>
    }
}

/// The form that pauses one thing.
#[component]
pub(crate) fn PauseCard(target: PauseTarget, lines: Vec<PauseLine>) -> AnyView {
    let now = if lines.iter().any(|line| line.scope == target.scope) {
        view! { <Badge tone=Tone::Review icon="pause">{t::pauses::paused()}</Badge> }.into_any()
    } else {
        ().into_any()
    };
    let wrong = context::page().outcome.as_ref().and_then(|outcome| outcome.error("hours").map(t_error));
    let hours_wrong = wrong.is_some();
    // Of a batch nothing is redeemed; its cards that are with buyers are redeemed as ever.
    let redeems = !matches!(target.scope, PauseScope::Batch(_));
    view! {
        <Card title=t::pauses::title() acts=now>
            <form class="p-4 grid gap-4" method="post" action=format!("/console/pauses/{}", target.target)>
                <p class="text-sm text-ink2 leading-6">{t::pauses::text()}</p>
                <div class="field">
                    <label for="work">{t::pauses::work()}</label>
                    <select class="select" id="work" name="work">
                        <option value="delivery">{t::pauses::work_delivery()}</option>
                        {redeems.then(|| view! {
                            <option value="redemption">{t::pauses::work_redemption()}</option>
                            <option value="both">{t::pauses::work_both()}</option>
                        })}
                    </select>
                </div>
                <Field name="reason" label=t::pauses::reason() hint=t::pauses::reason_hint() max_length=200/>
                <div class="field">
                    <label for="hours">{t::pauses::hours()}</label>
                    <select class="select" id="hours" name="hours" aria-invalid=hours_wrong.then_some("true")>
                        <option value="">{t::pauses::hours_none()}</option>
                        <option value="1">{t::pauses::hours_1()}</option>
                        <option value="4">{t::pauses::hours_4()}</option>
                        <option value="24">{t::pauses::hours_24()}</option>
                    </select>
                    {wrong.map(|wrong| view! { <span class="errtext"><Icon name="circle-alert" size="s"/>{wrong}</span> })}
                </div>
                <Submit look=Look::Quiet><Icon name="pause"/>{t::pauses::pause(kind(target.scope))}</Submit>
            </form>
        </Card>
    }
    .into_any()
}
