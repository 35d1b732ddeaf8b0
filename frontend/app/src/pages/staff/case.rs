//! `/staff/verifications/:merchant/:case`: one case, and the decision about it.

use kamiflow_domain::verification::review;
use kamiflow_domain::verification::{Standing, SubmissionView};
use leptos::prelude::*;

use super::StaffPage;
use super::decision::Decision;
use super::queue::{flag, result};
use crate::components::{Badge, Banner, Card, Look, Submit, Tone};
use crate::views::staff::Case;
use crate::{context, format, t};

/// Identity, pictures and decision for whoever has the case; who has it, for everybody else.
#[component]
pub(crate) fn StaffCase() -> AnyView {
    let Some(case) = context::data::<Case>() else { return ().into_any() };
    let page = &case.page;
    let path = format!("/staff/verifications/{}/{}", case.merchant, page.id);
    let line = t::staff::case_of(&page.merchant, format::moment(page.submission.submitted_at));
    let body = match &page.opened {
        Some(opened) => opened_case(opened, &path, case.picture),
        None => closed_case(page, &path),
    };
    let history: Vec<AnyView> = page.submissions.iter().map(|row| submission(row, row.id == page.id)).collect();
    view! {
        <StaffPage
            title=t::staff::case_title()
            context=line
            trail=("/staff/verifications", t::staff::queue_title())
        >
            <div class="grid xl:grid-cols-[minmax(0,1fr)_22rem] gap-4 items-start">
                <div class="grid gap-4 min-w-0">{body}</div>
                <Card title=t::staff::history()><ul class="divide-y divide-line">{history}</ul></Card>
            </div>
        </StaffPage>
    }
    .into_any()
}

/// What somebody sees who does not have the case.
fn closed_case(page: &review::CasePage, path: &str) -> AnyView {
    if page.submission.standing != Standing::Submitted {
        return decided(&page.submission);
    }
    let held = page.claimed.clone().map(|(name, at)| {
        view! { <Banner tone=Tone::Sending icon="eye">{t::staff::held_text(name, format::moment(at))}</Banner> }
    });
    let action = format!("{path}/claim");
    let claim = page.may_claim.then(|| {
        view! {
            <Card title=t::staff::claim_title()>
                <form class="p-4 grid gap-4 justify-items-start" method="post" action=action>
                    <p class="text-ink2 leading-6">{t::staff::claim_text()}</p>
                    <Submit>{t::staff::claim()}</Submit>
                </form>
            </Card>
        }
    });
    view! { {held}{claim} }.into_any()
}

fn decided(row: &SubmissionView) -> AnyView {
    let by = row.decided_by.clone().unwrap_or_else(|| t::staff::by_nobody().to_owned());
    let at = row.decided_at.map(format::moment).unwrap_or_default();
    let (mark, reason) = (result(row.standing == Standing::Approved), row.reason.clone());
    let flagged = row.merchants_with_number.filter(|many| review::is_flagged(*many)).map(flag);
    view! {
        <Card title=t::staff::result()>
            <div class="p-4 grid gap-2 justify-items-start">
                <span class="inline-flex gap-2 flex-wrap">{mark}{flagged}</span>
                <p class="text-ink2 text-sm">{t::staff::decided_line(by, at)}</p>
                <p>{reason}</p>
            </div>
        </Card>
    }
    .into_any()
}

/// What whoever has the case works with.
fn opened_case(case: &review::Case, path: &str, picture: Option<i16>) -> AnyView {
    let many = case.merchants_with_number;
    let flagged = case.flagged.then(|| {
        view! {
            <Banner tone=Tone::Exception icon="triangle-alert" lead=t::staff::flagged(many)>
                {t::staff::flagged_text()}
            </Banner>
        }
    });
    view! { {flagged}{identity(case)}{pictures(case, path, picture)}{judgment(path)} }.into_any()
}

fn identity(case: &review::Case) -> AnyView {
    let is_company = case.kind == "company";
    let number = case.number.expose();
    let mut facts = vec![
        (if is_company { t::staff::company_name() } else { t::staff::person_name() }, case.name.expose().to_owned()),
        (if is_company { t::staff::credit_code() } else { t::staff::resident_id() }, number.to_owned()),
    ];
    if is_company {
        facts.push((t::staff::legal(), case.legal_representative.expose().to_owned()));
    } else if let (Some(year), Some(month), Some(day)) = (number.get(6..10), number.get(10..12), number.get(12..14)) {
        facts.push((t::staff::born(), format!("{year}-{month}-{day}")));
    }
    let many = u64::try_from(case.merchants_with_number).unwrap_or_default();
    facts.push((t::staff::spread(), t::staff::spread_count(many)));
    let row = |(name, value): (&'static str, String)| {
        view! { <dt class="text-ink2">{name}</dt><dd class="font-medium break-words min-w-0">{value}</dd> }
    };
    view! {
        <Card title=t::staff::identity()>
            <dl class="p-4 grid grid-cols-[7rem_minmax(0,1fr)] gap-x-4 gap-y-2.5 text-sm">
                {facts.into_iter().map(row).collect_view()}
                <dt class="text-ink2">{t::staff::checksum()}</dt>
                <dd><Badge tone=Tone::Delivered icon="check">{t::staff::checksum_good()}</Badge></dd>
            </dl>
        </Card>
    }
    .into_any()
}

/// One picture at a time, asked for by a link: nothing is looked at by opening the page.
fn pictures(case: &review::Case, path: &str, picture: Option<i16>) -> AnyView {
    let positions = 1..=i16::try_from(case.pictures).unwrap_or_default();
    let shown = picture.filter(|position| positions.contains(position)).map(|position| {
        let source = format!("{path}/pictures/{position}");
        view! { <img class="w-full rounded-lg border border-line" src=source alt=t::staff::picture_alt(position)/> }
    });
    let link = |position: i16| {
        let href = format!("{path}?picture={position}#pictures");
        let look = if picture == Some(position) { Look::Primary } else { Look::Quiet };
        view! { <a class=look.class() href=href>{t::staff::look(position)}</a> }.into_any()
    };
    let links: Vec<AnyView> = positions.map(link).collect();
    view! {
        <div id="pictures">
            <Card title=t::staff::pictures() context=t::staff::pictures_context()>
                <div class="p-4 grid gap-4">
                    <div class="flex gap-2 flex-wrap">{links}</div>
                    {shown}
                </div>
            </Card>
        </div>
    }
    .into_any()
}

fn judgment(path: &str) -> AnyView {
    let presets = [
        t::staff::preset_blurry(),
        t::staff::preset_mismatch(),
        t::staff::preset_incomplete(),
        t::staff::preset_expired(),
        t::staff::preset_covered(),
    ];
    view! { <Decision action=format!("{path}/decision") approve=t::staff::approve_text() presets=presets.to_vec()/> }
        .into_any()
}

fn submission(row: &SubmissionView, is_this: bool) -> AnyView {
    let mark = match row.standing {
        Standing::Approved => result(true),
        Standing::Rejected => result(false),
        Standing::Submitted | Standing::None => {
            view! { <Badge tone=Tone::Waiting icon="clock">{t::staff::tab_open()}</Badge> }.into_any()
        }
    };
    view! {
        <li class="grid gap-1 px-4 py-3 text-sm">
            <div class="flex gap-2 items-center flex-wrap">
                {mark}
                <span class="mask">{t::verification::last4(&row.last4)}</span>
                {is_this.then(|| view! { <span class="sub">{t::staff::this_one()}</span> })}
            </div>
            <span class="sub">{format::moment(row.submitted_at)}</span>
            <span class="text-ink2">{row.reason.clone()}</span>
        </li>
    }
    .into_any()
}
