//! `/console/verification`: submitting the identity, where it is, and who looked at it.

use kamiflow_domain::verification::{Standing, SubmissionView, VerificationView};
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{
    Badge, Banner, Card, Column, Empty, Field, Icon, Moment, ProofFirst, Submit, Tab, Table, Tabs, Tone, t_error,
};
use crate::layouts::Section;
use crate::views::verification::{self, Kind};
use crate::{context, format, t};

/// Standing, form, history and looks.
#[component]
pub(crate) fn Verification() -> AnyView {
    let Some(data) = context::data::<verification::Verification>() else { return ().into_any() };
    let view = &data.view;
    let is_asked = view.standing != Standing::Submitted && !view.may_go_live;
    let (standing, kind) = (standing(view), data.kind);
    let submissions: Vec<AnyView> = view.submissions.iter().map(submission).collect();
    let looks = looks(view);
    view! {
        <ConsolePage section=Section::Shops title=t::verification::title() context=t::verification::context()>
            {standing}
            <div class="grid xl:grid-cols-[minmax(0,1fr)_22rem] gap-4 items-start">
                <div class="grid gap-4 min-w-0">
                    {is_asked.then(|| view! { <Form kind=kind/> })}
                    <Card title=t::verification::submissions() class="overflow-hidden">{history(submissions)}</Card>
                </div>
                <div class="grid gap-4 min-w-0">
                    <Card title=t::verification::looks() context=t::verification::looks_context()>{looks}</Card>
                    <Card title=t::verification::handling()>
                        <ul class="p-4 grid gap-2 text-sm text-ink2 leading-6 list-disc pl-8">
                            <li>{t::verification::handling_encrypted()}</li>
                            <li>{t::verification::handling_rewritten()}</li>
                            <li>{t::verification::handling_destroyed()}</li>
                        </ul>
                    </Card>
                </div>
            </div>
        </ConsolePage>
    }
    .into_any()
}

/// Where it is, with the way to the page: for the console's first page.
pub(super) fn standing_with_way(view: &VerificationView) -> AnyView {
    view! {
        <div class="grid gap-2">
            {standing(view)}
            <p><a class="lnk" href="/console/verification">{t::verification::open()}</a></p>
        </div>
    }
    .into_any()
}

fn standing(view: &VerificationView) -> AnyView {
    let latest = view.submissions.first();
    match (view.may_go_live, view.standing) {
        (true, _) => {
            view! { <Banner tone=Tone::Delivered icon="badge-check" lead=t::verification::approved()>{t::verification::approved_text()}</Banner> }.into_any()
        }
        (false, Standing::Submitted) => {
            let by = latest.and_then(|latest| latest.expected_by).map(format::moment).unwrap_or_default();
            view! { <Banner tone=Tone::Waiting icon="clock" lead=t::verification::submitted()>{t::verification::submitted_text(by)}</Banner> }.into_any()
        }
        (false, Standing::Rejected) => {
            let reason = latest.map(|latest| latest.reason.clone()).unwrap_or_default();
            view! { <Banner tone=Tone::Exception icon="circle-x" lead=t::verification::rejected()>{t::verification::rejected_text(reason)}</Banner> }.into_any()
        }
        (false, Standing::Approved) => {
            let by = view.renew_by.map(format::moment).unwrap_or_default();
            view! { <Banner tone=Tone::Review icon="shield-check" lead=t::verification::asked_again()>{t::verification::asked_again_text(by)}</Banner> }.into_any()
        }
        (false, Standing::None) => {
            view! { <Banner tone=Tone::Review icon="shield-check" lead=t::verification::none()>{t::verification::none_text()}</Banner> }.into_any()
        }
    }
}

/// The form of a person or of a company; which one stands in the address.
#[component]
fn Form(kind: Kind) -> AnyView {
    let tab =
        |label: &str, href: &str| Tab { label: label.to_owned(), href: href.to_owned(), count: None, is_hot: false };
    let tabs = vec![
        tab(t::verification::person(), "/console/verification"),
        tab(t::verification::company(), "/console/verification?kind=company"),
    ];
    let fields = match kind {
        Kind::Person => view! {
            <input type="hidden" name="kind" value="person"/>
            <Field name="name" label=t::verification::person_name() autocomplete="off" max_length=60/>
            <Field name="number" label=t::verification::resident_id() hint=t::verification::resident_id_hint() autocomplete="off" max_length=18/>
        }
        .into_any(),
        Kind::Company => view! {
            <input type="hidden" name="kind" value="company"/>
            <Field name="name" label=t::verification::company_name() autocomplete="off" max_length=100/>
            <Field name="number" label=t::verification::credit_code() hint=t::verification::credit_code_hint() autocomplete="off" max_length=18/>
            <Field name="legal" label=t::verification::legal() autocomplete="off" max_length=60/>
        }
        .into_any(),
    };
    let (first, second) = match kind {
        Kind::Person => (t::verification::id_front(), t::verification::id_back()),
        Kind::Company => (t::verification::license(), t::verification::another_picture()),
    };
    view! {
        <ProofFirst/>
        <Card title=t::verification::form()>
            <div class="px-4 pt-2"><Tabs label=t::verification::kind() tabs=tabs open=usize::from(kind == Kind::Company)/></div>
            <form class="p-4 grid gap-4 max-w-xl" method="post" action="/console/verification" enctype="multipart/form-data">
                {fields}
                <Picture name="picture1" label=first required=true/>
                <Picture name="picture2" label=second required=false/>
                <p class="text-sm text-ink2">{t::verification::within()}</p>
                <div><Submit><Icon name="upload"/>{t::verification::submit()}</Submit></div>
            </form>
        </Card>
    }
    .into_any()
}

#[component]
fn Picture(name: &'static str, label: &'static str, required: bool) -> AnyView {
    let error = context::page().outcome.as_ref().and_then(|outcome| outcome.error(name).map(t_error));
    let invalid = error.is_some();
    let note = format!("{name}-note");
    view! {
        <div class="field" class:err=invalid>
            <label for=name>{label}</label>
            <input
                class="file-input w-full"
                type="file"
                id=name
                name=name
                accept="image/jpeg,image/png"
                required=required
                aria-invalid=invalid.then_some("true")
                aria-describedby=note.clone()
            />
            {match error {
                Some(error) => view! { <span class="errtext" id=note><Icon name="circle-alert" size="s"/>{error}</span> }.into_any(),
                None => view! { <span class="hint" id=note>{t::verification::picture_hint()}</span> }.into_any(),
            }}
        </div>
    }
    .into_any()
}

fn history(rows: Vec<AnyView>) -> AnyView {
    if rows.is_empty() {
        return view! { <Empty icon="shield-check" title=t::verification::no_submissions() reason=t::verification::no_submissions_text()/> }.into_any();
    }
    let columns = vec![
        Column::words(t::verification::kind()),
        Column::words(t::overview::state()),
        Column::numbers(t::verification::at()),
        Column::words(t::verification::decision()),
    ];
    view! { <Table caption=t::verification::submissions() columns=columns>{rows}</Table> }.into_any()
}

fn submission(row: &SubmissionView) -> AnyView {
    let (tone, icon, word) = match row.standing {
        Standing::Submitted => (Tone::Waiting, "clock", t::verification::state_submitted()),
        Standing::Approved => (Tone::Delivered, "badge-check", t::verification::state_approved()),
        Standing::Rejected => (Tone::Exception, "circle-x", t::verification::state_rejected()),
        Standing::None => (Tone::Closed, "circle-slash", t::verification::state_none()),
    };
    let kind = if row.kind == "company" { t::verification::company() } else { t::verification::person() };
    let decided = row.decided_at.map(|at| {
        view! { <Moment at=at/>" "{row.decided_by.clone()}" "{row.reason.clone()} }
    });
    let destroyed = row
        .destroyed_at
        .map(|at| view! { <span class="sub block">{t::verification::destroyed(format::moment(at))}</span> });
    view! {
        <tr>
            <td>{kind}" "<span class="mask">{t::verification::last4(&row.last4)}</span></td>
            <td class="rt"><Badge tone=tone icon=icon>{word}</Badge></td>
            <td class="r"><Moment at=row.submitted_at/></td>
            <td class="full">{decided}{destroyed}</td>
        </tr>
    }
    .into_any()
}

fn looks(view: &VerificationView) -> AnyView {
    if view.looks.is_empty() {
        return view! { <p class="p-4 text-sm text-ink2 leading-6">{t::verification::no_looks()}</p> }.into_any();
    }
    let row = |name: &str, position: i16, at| {
        view! {
            <li class="flex gap-3 px-4 py-2.5 text-sm">
                <span class="flex-1 min-w-0">{t::verification::looked(name, position)}</span>
                <span class="text-ink2"><Moment at=at/></span>
            </li>
        }
        .into_any()
    };
    let rows: Vec<AnyView> = view.looks.iter().map(|look| row(&look.reviewer_name, look.position, look.at)).collect();
    view! { <ul class="divide-y divide-line">{rows}</ul> }.into_any()
}
