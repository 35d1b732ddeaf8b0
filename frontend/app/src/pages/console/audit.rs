//! `/console/audit`.

use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Card, Column, Empty, Look, Table};
use crate::layouts::Section;
use crate::views::team::{Act, Audit as Data};
use crate::{context, format, t};

/// Areas of acts that the filter offers.
const AREAS: [&str; 9] = ["account", "api_token", "team", "shop", "order", "cards", "rules", "application", "merchant"];

/// Who did what, newest first. It can be added to and nothing else.
#[component]
pub(crate) fn Audit() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let area = data.area.clone();
    let chip = |of: &'static str| {
        let (href, name) = if of.is_empty() {
            ("/console/audit".to_owned(), t::audit::all())
        } else {
            (format!("/console/audit?area={of}"), of)
        };
        let current = (area == of).then_some("true");
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
        let href = format!("/console/audit?area={area}&before={before}");
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
            <Card title=t::audit::title()>{list}</Card>
        </ConsolePage>
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
