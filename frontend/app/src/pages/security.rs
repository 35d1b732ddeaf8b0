//! `/account/security`: devices, second factors, the password.

use std::sync::Arc;

use leptos::prelude::*;

use super::console::ConsolePage;
use crate::components::{Badge, Card, CellHead, Column, Confirm, Empty, Look, Submit, Table, Tone};
use crate::layouts::Section;
use crate::views::account::{Factor, Security as Data, Session};
use crate::{context, format, t};

/// What guards the own account.
#[component]
pub(crate) fn Security() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    view! {
        <ConsolePage section=Section::Account title=t::security::title() context=t::security::context()>
            <Card title=t::security::password()>
                <div class="p-4 flex gap-4 flex-wrap items-center">
                    <p class="flex-1 min-w-56 text-ink2">{t::security::password_text()}</p>
                    <a class=Look::Quiet.class() href="/account/email">{t::accounts::email_title()}</a>
                    <a class=Look::Quiet.class() href="/account/password">{t::accounts::password_title()}</a>
                </div>
            </Card>
            {removal(&data)}
            <Factors data=data.clone()/>
            {devices(&data.sessions, "/account/security/session", Some("/account/security/others"))}
            <Card title=t::delete::title()>
                <div class="p-4 flex gap-4 flex-wrap items-center">
                    <p class="flex-1 min-w-56 text-ink2">{t::security::delete_text()}</p>
                    <a class=Look::Danger.class() href="/account/delete">{t::delete::title()}</a>
                </div>
            </Card>
        </ConsolePage>
    }
    .into_any()
}

/// Asks before a second factor goes, where the address names one.
fn removal(data: &Data) -> Option<AnyView> {
    let asked = context::page().query.get("remove")?.clone();
    let factor = data.factors.iter().find(|factor| factor.id.to_string() == asked)?;
    let name = if factor.kind == "totp" { t::security::totp().to_owned() } else { factor.name.clone() };
    let consequence = match data.factors.len() {
        1 => t::security::remove_last(),
        _ => t::security::remove_other(),
    };
    Some(
        view! {
            <Confirm
                question=t::security::remove_question(name)
                consequence=consequence
                action="/account/security/factor".to_owned()
                field=("factor", asked)
                act=t::security::remove()
                back="/account/security"
            />
        }
        .into_any(),
    )
}

#[component]
fn Factors(data: Arc<Data>) -> AnyView {
    let passkey = data.has_passkeys.then(|| {
        view! {
            <form method="post" action="/account/security/passkey">
                <Submit look=Look::Quiet>{t::security::add_passkey()}</Submit>
            </form>
        }
    });
    let add = view! {
        <div class="flex gap-2 flex-wrap sm:justify-end">
            {passkey}
            <form method="post" action="/account/security/totp">
                <Submit look=Look::Quiet>{t::security::add_totp()}</Submit>
            </form>
        </div>
    };
    let columns = vec![
        Column::words(t::security::factor()),
        Column::words(t::security::since()),
        Column::words(t::security::last_used()),
        Column::words(""),
    ];
    let (rows, codes_left) = (data.factors.iter().map(row).collect_view(), data.codes_left);
    let body = if data.factors.is_empty() {
        view! { <Empty icon="shield-check" title=t::security::no_factor() reason=t::security::no_factor_text()/> }
            .into_any()
    } else {
        view! {
            <Table caption=t::security::factors() columns=columns>{rows}</Table>
            <form class="p-4 border-t border-line flex gap-4 flex-wrap items-center" method="post" action="/account/security/codes">
                <p class="flex-1 min-w-56 text-ink2">{t::security::codes_left(codes_left)}</p>
                <Submit look=Look::Quiet>{t::security::new_codes()}</Submit>
            </form>
        }
        .into_any()
    };
    view! { <Card title=t::security::factors() acts=add.into_any()>{body}</Card> }.into_any()
}

fn row(factor: &Factor) -> impl IntoView + use<> {
    let (id, since) = (factor.id.to_string(), format::moment(factor.created_at));
    let used = factor.last_used_at.map_or_else(|| t::security::never().to_owned(), format::moment);
    // There is one authenticator, which nobody named.
    let (kind, name) = match factor.kind.as_str() {
        "totp" => (t::security::totp(), String::new()),
        _ => (t::security::passkey(), factor.name.clone()),
    };
    view! {
        <tr>
            <td class="max-w-60">
                <div class="font-medium">{kind}</div>
                {(!name.is_empty()).then(|| view! { <div class="sub truncate">{name}</div> })}
            </td>
            <td class="full max-md:order-1"><CellHead name=t::security::since()/>{since}</td>
            <td class="full max-md:order-1"><CellHead name=t::security::last_used()/>{used}</td>
            <td class="r rt">
                <a class="btn btn-danger sm" href=format!("/account/security?remove={id}#confirm")>{t::security::remove()}</a>
            </td>
        </tr>
    }
}

/// The sessions that live, each with a button that ends it by `action`, and one for all `others` if there is an action for that.
pub(super) fn devices(sessions: &[Session], action: &'static str, others: Option<&'static str>) -> AnyView {
    let rows = sessions.iter().map(|session| device(session, action)).collect_view();
    let others = others.filter(|_| sessions.len() > 1).map(|others| {
        view! {
            <form method="post" action=others>
                <Submit look=Look::Quiet>{t::security::sign_out_others()}</Submit>
            </form>
        }
        .into_any()
    });
    let columns =
        vec![Column::words(t::security::device()), Column::words(t::security::last_used()), Column::words("")];
    view! {
        <Card title=t::security::devices() acts=others.unwrap_or_else(|| ().into_any())>
            <Table caption=t::security::devices() columns=columns>{rows}</Table>
        </Card>
    }
    .into_any()
}

fn device(session: &Session, action: &'static str) -> impl IntoView + use<> {
    let end = if session.is_this {
        view! { <Badge tone=Tone::Delivered icon="check">{t::security::this_device()}</Badge> }.into_any()
    } else {
        let id = session.id.to_string();
        view! {
            <form method="post" action=action>
                <button class="btn btn-quiet sm" name="session" value=id>{t::security::sign_out()}</button>
            </form>
        }
        .into_any()
    };
    let name = format::browser(&session.browser).unwrap_or_else(|| t::security::unknown_browser().to_owned());
    view! {
        <tr>
            <td class="max-w-96">
                <div class="font-medium truncate">{name}</div>
                <div class="sub">{t::security::place()}" "<span class="mono">{session.place.clone()}</span></div>
            </td>
            <td class="full max-md:order-1"><CellHead name=t::security::last_used()/>{format::moment(session.last_used_at)}</td>
            <td class="r rt">{end}</td>
        </tr>
    }
}
