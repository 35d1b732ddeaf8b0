//! `/staff/verifications`: what waits, and what was decided.

use leptos::prelude::*;

use super::StaffPage;
use crate::components::{Badge, Card, Column, Empty, Moment, Tab, Table, Tabs, Tone};
use crate::views::staff::{CaseRef, DecidedCase, OpenCase, Queue};
use crate::{context, format, t};

/// Both lists, one at a time.
#[component]
pub(crate) fn StaffQueue() -> AnyView {
    let Some(queue) = context::data::<Queue>() else { return ().into_any() };
    let (open, rows) = match &*queue {
        Queue::Closed => {
            let empty =
                view! { <Empty icon="lock-keyhole" title=t::staff::no_review() reason=t::staff::no_review_text()/> };
            (None, empty.into_any())
        }
        Queue::Open(cases) => (Some(0), waiting(cases)),
        Queue::Decided(cases) => (Some(1), decided(cases)),
    };
    let tab =
        |label: &str, href: &str| Tab { label: label.to_owned(), href: href.to_owned(), count: None, is_hot: false };
    let tabs = open.map(|open| {
        let tabs = vec![
            tab(t::staff::tab_open(), "/staff/verifications"),
            tab(t::staff::tab_decided(), "/staff/verifications?show=decided"),
        ];
        view! { <div class="px-4 pt-2"><Tabs label=t::staff::queue_title() tabs=tabs open=open/></div> }
    });
    view! {
        <StaffPage title=t::staff::queue_title() context=t::staff::queue_context()>
            <Card title=t::staff::queue_title() class="overflow-hidden">{tabs}{rows}</Card>
        </StaffPage>
    }
    .into_any()
}

fn waiting(cases: &[OpenCase]) -> AnyView {
    if cases.is_empty() {
        return view! { <Empty icon="inbox" title=t::staff::queue_empty() reason=t::staff::queue_empty_text()/> }
            .into_any();
    }
    let columns = vec![
        Column::words(t::staff::subject()),
        Column::words(t::staff::held_by()),
        Column::numbers(t::staff::submitted_at()),
        Column::words(""),
    ];
    let row = |case: &OpenCase| {
        let held = match &case.held {
            None => view! { <Badge tone=Tone::Waiting icon="clock">{t::staff::nobody()}</Badge> }.into_any(),
            Some((name, at)) => {
                let tone = if case.is_mine { Tone::Review } else { Tone::Sending };
                let who = t::staff::since(if case.is_mine { t::staff::mine() } else { name }, format::moment(*at));
                view! { <Badge tone=tone icon="eye">{who}</Badge> }.into_any()
            }
        };
        view! {
            <tr>
                <td><span class="inline-flex gap-2 items-center flex-wrap">{subject(&case.case)}{case.flagged.map(flag)}</span></td>
                <td class="rt">{held}</td>
                <td class="r"><Moment at=case.submitted_at/></td>
                <td class="r">{link(&case.case)}</td>
            </tr>
        }
        .into_any()
    };
    let rows: Vec<AnyView> = cases.iter().map(row).collect();
    view! { <Table caption=t::staff::tab_open() columns=columns>{rows}</Table> }.into_any()
}

fn decided(cases: &[DecidedCase]) -> AnyView {
    if cases.is_empty() {
        return view! { <Empty icon="inbox" title=t::staff::decided_empty() reason=t::staff::decided_empty_text()/> }
            .into_any();
    }
    let columns = vec![
        Column::words(t::staff::subject()),
        Column::words(t::staff::result()),
        Column::words(t::staff::held_by()),
        Column::words(""),
    ];
    let row = |case: &DecidedCase| {
        let by = case.by.clone().unwrap_or_else(|| t::staff::by_nobody().to_owned());
        view! {
            <tr>
                <td><span class="inline-flex gap-2 items-center flex-wrap">{subject(&case.case)}{case.flagged.map(flag)}</span></td>
                <td class="rt">{result(case.is_approved)}</td>
                <td class="full">{t::staff::decided_line(by, format::moment(case.at))}" "{case.reason.clone()}</td>
                <td class="r">{link(&case.case)}</td>
            </tr>
        }
        .into_any()
    };
    let rows: Vec<AnyView> = cases.iter().map(row).collect();
    view! { <Table caption=t::staff::tab_decided() columns=columns>{rows}</Table> }.into_any()
}

/// Returns the mark of a decision.
pub(super) fn result(is_approved: bool) -> AnyView {
    let (tone, icon, word) = if is_approved {
        (Tone::Delivered, "badge-check", t::staff::approved())
    } else {
        (Tone::Exception, "circle-x", t::staff::rejected())
    };
    view! { <Badge tone=tone icon=icon>{word}</Badge> }.into_any()
}

/// One number in many merchants.
pub(super) fn flag(merchants: i64) -> AnyView {
    view! { <Badge tone=Tone::Exception icon="triangle-alert">{t::staff::flag(merchants)}</Badge> }.into_any()
}

fn subject(case: &CaseRef) -> AnyView {
    let kind = if case.is_company { t::verification::company() } else { t::verification::person() };
    view! { {kind}" "<span class="mask">{t::verification::last4(&case.last4)}</span> }.into_any()
}

fn link(case: &CaseRef) -> AnyView {
    let href = format!("/staff/verifications/{}/{}", case.merchant, case.case);
    view! { <a class="btn btn-quiet sm" href=href>{t::staff::open_case()}</a> }.into_any()
}
