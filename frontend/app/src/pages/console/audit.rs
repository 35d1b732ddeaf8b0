//! `/console/audit`.

use std::sync::Arc;

use kamiflow_kernel::UserId;
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Card, Column, Empty, Icon, Look, Submit, Table};
use crate::layouts::Section;
use crate::views::team::{Act, Audit as Data, AuditChoice};
use crate::{context, format, t};

/// Areas of acts that the filter offers.
const AREAS: [&str; 9] = ["account", "api_token", "team", "shop", "order", "cards", "rules", "application", "merchant"];

/// Who did what, newest first. It can be added to and nothing else.
#[component]
pub(crate) fn Audit() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let chosen = data.chosen.clone();
    let chip = |of: &'static str| {
        let name = if of.is_empty() { t::audit::all() } else { of };
        let current = (chosen.area == of).then_some("true");
        let href = address(&AuditChoice { area: of.to_owned(), ..chosen.clone() }, None);
        view! { <a class="chip" href=href aria-current=current>{name}</a> }.into_any()
    };
    let chips: Vec<AnyView> = std::iter::once("").chain(AREAS).map(chip).collect();
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
    let member = chosen.member.map(|member| member.to_string()).unwrap_or_default();
    let before = before.map(|seq| format!("&before={seq}")).unwrap_or_default();
    // Each of them was read before it is written: a name of an area, an id, two days.
    format!("/console/audit?area={}&member={member}&from={}&to={}{before}", chosen.area, chosen.from, chosen.to)
}

/// By whom, and between which days.
#[component]
fn Filter(data: Arc<Data>) -> AnyView {
    let chosen = data.chosen.clone();
    let member = |(user, name): &(UserId, String)| {
        view! { <option value=user.to_string() selected={chosen.member == Some(*user)}>{name.clone()}</option> }
    };
    let members = data.members.iter().map(member).collect_view();
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
    let member = chosen.member.map(|member| member.to_string()).unwrap_or_default();
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
    let has_detail = act.detail != "{}" && act.detail != "null";
    let detail = has_detail.then(|| {
        view! {
            <details>
                <summary class="lnk text-xs">{t::audit::detail()}</summary>
                <pre class="mono text-xs whitespace-pre-wrap break-all max-w-96">{act.detail.clone()}</pre>
            </details>
        }
    });
    view! {
        <tr>
            <td class="whitespace-nowrap">{format::moment(act.at)}</td>
            <td>{act.actor.clone()}</td>
            <td><span class="mono">{act.action.clone()}</span>{detail}</td>
            <td class="mono break-all">{act.target.clone()}</td>
            <td><span class="mono">{act.place.clone()}</span><div class="sub mono">{act.request_id.clone()}</div></td>
        </tr>
    }
}
