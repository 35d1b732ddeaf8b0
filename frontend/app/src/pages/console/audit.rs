//! `/console/audit`.

mod words;

use std::sync::Arc;

use kamiflow_domain::audit_areas::AREAS;
use kamiflow_domain::list_audit::{By, DetailLine};
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Card, Column, Empty, Icon, Look, Submit, Table};
use crate::layouts::Section;
use crate::views::team::{Act, Audit as Data, AuditChoice};
use crate::{context, format, t};

/// Who did what, newest first. It can be added to and nothing else.
#[component]
pub(crate) fn Audit() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let chosen = data.chosen.clone();
    let chip = |of: &'static str| {
        let name = if of.is_empty() { t::audit::all() } else { words::area(of).unwrap_or(of) };
        let current = (chosen.area == of).then_some("true");
        let href = address(&AuditChoice { area: of.to_owned(), ..chosen.clone() }, None);
        view! { <a class="chip" href=href aria-current=current>{name}</a> }.into_any()
    };
    let offered = AREAS.iter().filter(|area| area.is_of_merchants).map(|area| area.name);
    let chips: Vec<AnyView> = std::iter::once("").chain(offered).map(chip).collect();
    let columns = vec![
        Column::words(t::audit::at()),
        Column::words(t::audit::who()),
        Column::words(t::audit::what()),
        Column::words(t::audit::on()),
        Column::words(t::audit::place()),
    ];
    let more = data.before.map(|before| {
        let href = address(&data.chosen, Some(before));
        view! { <div class="p-4"><a class=Look::Quiet.class() href=href>{t::audit::older()}</a></div> }
    });
    let list = if data.acts.is_empty() {
        view! { <Empty icon="scroll-text" title=t::audit::empty() reason=t::audit::empty_text()/> }.into_any()
    } else {
        let rows = data.acts.iter().map(row).collect_view();
        view! { <Table caption=t::audit::title() columns=columns>{rows}</Table>{more} }.into_any()
    };
    view! {
        <ConsolePage section=Section::Team title=t::audit::title() context=t::audit::context()>
            <nav class="flex gap-2 flex-wrap" aria-label=t::audit::areas()>{chips}</nav>
            <Filter data=data.clone()/>
            <Card title=t::audit::title() acts=csv(&data.chosen)>{list}</Card>
        </ConsolePage>
    }
    .into_any()
}

/// Returns the address of a choice, or of what is behind a place of it.
fn address(chosen: &AuditChoice, before: Option<i64>) -> String {
    let member = chosen.by.map(|by| by.to_string()).unwrap_or_default();
    let before = before.map(|seq| format!("&before={seq}")).unwrap_or_default();
    // Each of them was read before it is written: a name of an area, an id, two days.
    format!("/console/audit?area={}&member={member}&from={}&to={}{before}", chosen.area, chosen.from, chosen.to)
}

/// By whom, and between which days.
#[component]
fn Filter(data: Arc<Data>) -> AnyView {
    let chosen = data.chosen.clone();
    let option = |(by, name): (By, String)| {
        view! { <option value=by.to_string() selected={chosen.by == Some(by)}>{name}</option> }
    };
    let members = data.members.iter().map(|(user, name)| (By::Member(*user), name.clone()));
    let others =
        [(By::Staff, t::audit::staff()), (By::Programs, t::audit::programs()), (By::Engine, t::audit::engine())];
    let others = others.map(|(by, name)| (by, name.to_owned()));
    let members = members.chain(others).map(option).collect_view();
    view! {
        <form class="card p-4 flex gap-4 flex-wrap items-end" method="get" action="/console/audit">
            <input type="hidden" name="area" value=chosen.area.clone()/>
            <div class="field min-w-40">
                <label for="member">{t::audit::who()}</label>
                <select class="input" id="member" name="member"><option value="">{t::audit::everybody()}</option>{members}</select>
            </div>
            <div class="field">
                <label for="from">{t::audit::from()}</label>
                <input class="input" type="date" id="from" name="from" value=chosen.from.clone()/>
            </div>
            <div class="field">
                <label for="to">{t::audit::to()}</label>
                <input class="input" type="date" id="to" name="to" value=chosen.to.clone()/>
            </div>
            <Submit look=Look::Quiet>{t::audit::filter()}</Submit>
        </form>
    }
    .into_any()
}

/// The same acts as a file.
fn csv(chosen: &AuditChoice) -> AnyView {
    let member = chosen.by.map(|by| by.to_string()).unwrap_or_default();
    let fields =
        [("area", chosen.area.clone()), ("member", member), ("from", chosen.from.clone()), ("to", chosen.to.clone())];
    let hidden = |(name, value): (&'static str, String)| view! { <input type="hidden" name=name value=value/> };
    view! {
        <form method="post" action="/console/audit/csv" data-file="">
            {fields.map(hidden).collect_view()}
            <Submit look=Look::Quiet class="sm"><Icon name="download"/>{t::audit::csv()}</Submit>
        </form>
    }
    .into_any()
}

fn row(act: &Act) -> impl IntoView + use<> {
    let detail = (!act.detail.is_empty()).then(|| {
        let lines = act.detail.iter().map(line).collect_view();
        view! {
            <details>
                <summary class="lnk text-xs">{t::audit::detail()}</summary>
                <ul class="text-xs break-all max-w-96 grid gap-1 mt-1">{lines}</ul>
            </details>
        }
    });
    let what = words::act(&act.action).map(|words| view! { <div>{words}</div> });
    view! {
        <tr>
            <td class="whitespace-nowrap">{format::moment(act.at)}</td>
            <td>{actor(&act.actor)}</td>
            <td>{what}<span class="sub mono">{act.action.clone()}</span>{detail}</td>
            <td class="mono break-all">{act.target.clone()}</td>
            <td><span class="mono">{act.place.clone()}</span><div class="sub mono">{act.request_id.clone()}</div></td>
        </tr>
    }
}

/// Returns what those are called who are nobody of the team.
fn actor(name: &str) -> String {
    match name {
        "operator" => t::audit::operator().to_owned(),
        "link" => t::audit::by_link().to_owned(),
        "another merchant" => t::audit::another_merchant().to_owned(),
        _ if name.starts_with("staff:") => t::audit::staff().to_owned(),
        _ if name.starts_with("engine") => t::audit::engine().to_owned(),
        _ => name.to_owned(),
    }
}

/// One thing that an act says of itself: before and after, where it changed it.
fn line(line: &DetailLine) -> impl IntoView + use<> {
    let or_nothing = |text: &str| if text.is_empty() { "—".to_owned() } else { text.to_owned() };
    let name = (!line.name.is_empty()).then(|| view! { <span class="mono text-ink2">{line.name.clone()}" "</span> });
    let value = match &line.before {
        Some(before) => format!("{} → {}", or_nothing(before), or_nothing(&line.after)),
        None => or_nothing(&line.after),
    };
    view! { <li>{name}{value}</li> }
}
