//! `/staff/recoveries`: owners who lost everything.

use leptos::prelude::*;

use super::StaffPage;
use super::decision::Decision;
use crate::components::{Badge, Banner, Card, Column, Empty, Moment, Table, Tone};
use crate::views::staff::{ListedRequest, Recoveries, Recovery};
use crate::{context, format, t};

/// The list.
#[component]
pub(crate) fn StaffRecoveries() -> AnyView {
    let Some(data) = context::data::<Recoveries>() else { return ().into_any() };
    let rows: Vec<AnyView> = data.0.iter().map(row).collect();
    let list = if rows.is_empty() {
        view! { <Empty icon="inbox" title=t::staff::recoveries_empty() reason=t::staff::recoveries_empty_text()/> }
            .into_any()
    } else {
        let columns = vec![
            Column::words(t::staff::result()),
            Column::words(t::staff::held_by()),
            Column::numbers(t::staff::asked_at()),
            Column::words(""),
        ];
        view! { <Table caption=t::staff::recoveries_title() columns=columns>{rows}</Table> }.into_any()
    };
    view! {
        <StaffPage title=t::staff::recoveries_title() context=t::staff::recoveries_context()>
            <Card title=t::staff::recoveries_title() class="overflow-hidden">{list}</Card>
        </StaffPage>
    }
    .into_any()
}

fn row(request: &ListedRequest) -> AnyView {
    let href = format!("/staff/recoveries/{}/{}", request.merchant, request.recovery);
    let by = request.by.clone();
    view! {
        <tr>
            <td>{mark(&request.state)}</td>
            <td>{by}</td>
            <td class="r"><Moment at=request.asked_at/></td>
            <td class="r"><a class="btn btn-quiet sm" href=href>{t::staff::open_case()}</a></td>
        </tr>
    }
    .into_any()
}

fn mark(state: &str) -> AnyView {
    let (tone, icon, word) = match state {
        "asked" => (Tone::Waiting, "clock", t::staff::recovery_asked()),
        "approved" => (Tone::Review, "timer", t::staff::recovery_waits()),
        "linked" => (Tone::Sending, "send", t::staff::recovery_linked()),
        "done" => (Tone::Delivered, "check", t::staff::recovery_done()),
        "stopped" => (Tone::Closed, "ban", t::staff::recovery_stopped()),
        _ => (Tone::Exception, "circle-x", t::staff::rejected()),
    };
    view! { <Badge tone=tone icon=icon>{word}</Badge> }.into_any()
}

/// One request, beside the verified identity.
#[component]
pub(crate) fn StaffRecovery() -> AnyView {
    let Some(data) = context::data::<Recovery>() else { return ().into_any() };
    let (merchant, state) = (data.merchant_name.clone(), mark(&data.state));
    let wait = data.link_at.filter(|_| data.state == "approved").map(|at| {
        let text = t::staff::recovery_wait(format::moment(at));
        view! { <Banner tone=Tone::Review icon="timer">{text}</Banner> }
    });
    let facts: Vec<AnyView> = facts(&data).into_iter().map(fact).collect();
    let action = format!("/staff/recoveries/{}/{}/decision", data.merchant, data.recovery);
    let presets = vec![t::staff::recovery_preset_proof(), t::staff::recovery_preset_owner()];
    let decision = (data.state == "asked").then(|| {
        view! { <Decision action=action approve=t::staff::recovery_approve() presets=presets/> }
    });
    view! {
        <StaffPage
            title=t::staff::recovery_title()
            context=merchant
            trail=("/staff/recoveries", t::staff::recoveries_title())
        >
            {wait}
            <Card title=t::staff::identity() acts=state>
                <dl class="p-4 grid grid-cols-[7rem_minmax(0,1fr)] gap-x-4 gap-y-2.5 text-sm">{facts}</dl>
            </Card>
            {decision}
        </StaffPage>
    }
    .into_any()
}

fn facts(data: &Recovery) -> Vec<(&'static str, String)> {
    let mut facts = vec![
        (t::staff::recovery_account(), data.login.clone()),
        (t::staff::recovery_contact(), data.contact.clone()),
        (t::staff::asked_at(), format::moment(data.asked_at)),
        (t::staff::recovery_owners(), format::count(u64::try_from(data.other_owners).unwrap_or_default())),
    ];
    if let Some(verified) = &data.verified {
        let kind = if verified.kind == "company" { t::verification::company() } else { t::verification::person() };
        let at = verified.decided_at.map(format::moment).unwrap_or_default();
        facts.push((t::staff::recovery_verified(), t::staff::recovery_matches(kind, &verified.last4, at)));
    }
    if let Some((by, at)) = &data.decided {
        facts.push((t::staff::held_by(), t::staff::decided_line(by, format::moment(*at))));
    }
    if !data.reason.is_empty() {
        facts.push((t::staff::reason(), data.reason.clone()));
    }
    facts
}

fn fact((name, value): (&'static str, String)) -> AnyView {
    view! { <dt class="text-ink2">{name}</dt><dd class="font-medium break-words min-w-0">{value}</dd> }.into_any()
}
