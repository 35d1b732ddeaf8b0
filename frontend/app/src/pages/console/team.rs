//! `/console/team`.

mod leave;
mod merchant;
mod seat;

pub(crate) use self::leave::LeaveTeam;
pub(crate) use self::merchant::Merchant;
pub(crate) use self::seat::MemberSeat;

use std::sync::Arc;

use kamiflow_kernel::{Grant, MATRIX, Permission, Reach, Role};
use leptos::prelude::*;

use self::seat::SeatFields;
use super::ConsolePage;
use crate::components::{Badge, Card, Column, Confirm, Field, Icon, Look, Submit, Table, Tone};
use crate::layouts::Section;
use crate::views::team::{Invitation, Member, Team as Data};
use crate::{context, format, t};

/// What an invitation or a new sub-account may be; owners are made of members.
const NEWCOMERS: [Role; 4] = [Role::Admin, Role::Operator, Role::Finance, Role::Viewer];

/// The team: who is in it, who may come, and who may do what.
#[component]
pub(crate) fn Team() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let acts = view! {
        {data.may_close.then(|| view! { <a class=Look::Quiet.class() href="/console/merchant">{t::merchant::title()}</a> })}
        {data.may_audit.then(|| view! { <a class=Look::Quiet.class() href="/console/audit">{t::team::audit()}</a> })}
    }
    .into_any();
    let rows = data.members.iter().map(|member| row(member, data.may_manage)).collect_view().into_any();
    let columns = vec![
        Column::words(t::team::member()),
        Column::words(t::team::role()),
        Column::words(t::team::sees()),
        Column::words(t::team::second_factor()),
        Column::words(t::team::last_used()),
        Column::words(""),
    ];
    view! {
        <ConsolePage section=Section::Team title=t::console::team() context=t::team::context() acts=acts>
            {removal(&data)}
            <Card title=t::team::members()><Table caption=t::team::members() columns=columns>{rows}</Table></Card>
            {(!data.invitations.is_empty()).then(|| view! { <Invitations rows=data.invitations.iter().map(invited).collect_view().into_any()/> })}
            {data.may_manage.then(|| view! { <Newcomers data=data.clone()/> })}
            <Matrix/>
        </ConsolePage>
    }
    .into_any()
}

/// Asks before a member goes, where the address names one who can be removed.
fn removal(data: &Data) -> Option<AnyView> {
    let asked = context::page().query.get("remove")?.clone();
    let is_asked = |member: &&Member| member.user.to_string() == asked && member.is_governed && !member.is_oneself;
    let member = data.members.iter().filter(|_| data.may_manage).find(is_asked)?;
    Some(
        view! {
            <Confirm
                question=t::team::remove_question(&member.name)
                consequence=t::team::remove_consequence()
                action="/console/team/remove".to_owned()
                field=("user", asked)
                act=t::team::remove()
                back="/console/team"
            />
        }
        .into_any(),
    )
}

fn row(member: &Member, may_manage: bool) -> impl IntoView + use<> {
    let proof = if member.second_factor {
        view! { <Badge tone=Tone::Delivered icon="shield-check">{t::team::has_factor()}</Badge> }.into_any()
    } else {
        view! { <span class="sub">{t::team::no_factor()}</span> }.into_any()
    };
    let sees = member.shops.map_or_else(|| t::team::all_shops().to_owned(), t::team::some_shops);
    let acts = (may_manage && member.is_governed && !member.is_oneself).then(|| acts(member));
    let last_used = member.last_used_at.map_or_else(|| "—".to_owned(), format::moment);
    view! {
        <tr>
            <td><div class="font-medium">{member.name.clone()}</div><div class="sub">{member.login.clone()}</div></td>
            <td>{role_name(member.role)}</td>
            <td>{sees}</td>
            <td>{proof}</td>
            <td>{last_used}</td>
            <td class="r">{acts}</td>
        </tr>
    }
}

/// What may be done with a seat, folded away.
fn acts(member: &Member) -> impl IntoView + use<> {
    let user = member.user.to_string();
    let seat = format!("/console/team/{}", member.user);
    let removal = format!("/console/team?remove={}#confirm", member.user);
    let reset = member.is_sub_account.then(|| {
        view! { <button class="nv w-full" formaction="/console/team/password">{t::team::reset_password()}</button> }
    });
    let factor = member.second_factor.then(|| {
        view! { <button class="nv w-full" formaction="/console/team/factor">{t::team::reset_factor()}</button> }
    });
    view! {
        <details class="menu end" name="menus">
            <summary class="btn btn-bare sq" aria-label=t::team::acts(&member.name)><Icon name="ellipsis"/></summary>
            <form class="panel" method="post" action="/console/team/password">
                <input type="hidden" name="user" value=user/>
                <a class="nv" href=seat>{t::team::change_seat()}</a>
                {reset}{factor}
                <a class="nv text-bad" href=removal>{t::team::remove()}</a>
            </form>
        </details>
    }
}

#[component]
fn Invitations(rows: AnyView) -> AnyView {
    let columns = vec![
        Column::words(t::team::invited()),
        Column::words(t::team::role()),
        Column::words(t::team::good_until()),
        Column::words(""),
    ];
    view! { <Card title=t::team::invitations()><Table caption=t::team::invitations() columns=columns>{rows}</Table></Card> }
        .into_any()
}

fn invited(invitation: &Invitation) -> impl IntoView + use<> {
    let id = invitation.id.to_string();
    let whom = invitation.email.clone().unwrap_or_else(|| t::team::by_link().to_owned());
    view! {
        <tr>
            <td>{whom}</td>
            <td>{role_name(invitation.role)}</td>
            <td>{format::moment(invitation.expires_at)}</td>
            <td class="r">
                <form method="post" action="/console/team/revoke">
                    <button class="btn btn-quiet sm" name="invitation" value=id>{t::team::revoke()}</button>
                </form>
            </td>
        </tr>
    }
}

/// Two ways into the team: an invitation, or an account that the team makes.
#[component]
fn Newcomers(data: Arc<Data>) -> AnyView {
    let (code, invited) = (data.code.clone(), data.clone());
    view! {
        <div class="grid lg:grid-cols-2 gap-4 items-start">
            <Card title=t::team::invite()>
                <form class="p-4 grid gap-4" method="post" action="/console/team/invite">
                    <Field name="email" label=t::accounts::email() hint=t::team::email_hint() kind="email" max_length=254 optional=true/>
                    <SeatFields prefix="invite" shops=invited.shops.clone() roles=NEWCOMERS.to_vec()/>
                    <Submit>{t::team::send_invitation()}</Submit>
                </form>
            </Card>
            <Card title=t::team::sub_account()>
                <form class="p-4 grid gap-4" method="post" action="/console/team/sub-account">
                    <Field name="name" label=t::team::sub_name() hint=t::team::sub_hint(&code) max_length=40/>
                    <Field name="display_name" label=t::team::display_name() max_length=80/>
                    <SeatFields prefix="sub" shops=data.shops.clone() roles=NEWCOMERS.to_vec()/>
                    <Submit>{t::team::create()}</Submit>
                </form>
            </Card>
        </div>
    }
    .into_any()
}

/// The table that use cases ask.
#[component]
fn Matrix() -> AnyView {
    let mut columns = vec![Column::words(t::team::permission())];
    columns.extend(Role::ALL.iter().map(|role| Column::words(role_name(*role))));
    let row = |grant: &Grant| {
        let mark = |role: &Role| {
            let granted = grant.roles.contains(role);
            let (word, icon) = if granted { (t::team::yes(), "check") } else { (t::team::no(), "circle-slash") };
            view! { <td><Icon name=icon size="s"/><span class="sr-only">{word}</span></td> }
        };
        let wide =
            (grant.reach == Reach::Merchant).then(|| view! { <span class="sub">" "{t::team::whole_merchant()}</span> });
        view! { <tr><th scope="row" class="font-normal">{permission_name(grant.permission)}{wide}</th>{Role::ALL.iter().map(mark).collect_view()}</tr> }
    };
    view! {
        <Card title=t::team::matrix() context=t::team::matrix_context()>
            <details class="px-4 py-3">
                <summary class="lnk">{t::team::show_matrix()}</summary>
                <div class="overflow-x-auto pt-3" tabindex="0">
                    <Table caption=t::team::matrix() columns=columns>{MATRIX.iter().map(row).collect_view()}</Table>
                </div>
            </details>
        </Card>
    }
    .into_any()
}

/// Returns what a role is called.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Owner => t::roles::owner(),
        Role::Admin => t::roles::admin(),
        Role::Operator => t::roles::operator(),
        Role::Finance => t::roles::finance(),
        Role::Viewer => t::roles::viewer(),
    }
}

fn permission_name(permission: Permission) -> &'static str {
    match permission {
        Permission::ShowOrders => t::roles::show_orders(),
        Permission::ShowProducts => t::roles::show_products(),
        Permission::ShowStock => t::roles::show_stock(),
        Permission::ShowRedemptions => t::roles::show_redemptions(),
        Permission::ShowShops => t::roles::show_shops(),
        Permission::HandleOrders => t::roles::handle_orders(),
        Permission::RevealCards => t::roles::reveal_cards(),
        Permission::Redeem => t::roles::redeem(),
        Permission::ManageCards => t::roles::manage_cards(),
        Permission::MapSkus => t::roles::map_skus(),
        Permission::ManageRules => t::roles::manage_rules(),
        Permission::Pause => t::roles::pause(),
        Permission::PauseAll => t::roles::pause_all(),
        Permission::GoLive => t::roles::go_live(),
        Permission::ManageShops => t::roles::manage_shops(),
        Permission::ManageIntegrations => t::roles::manage_integrations(),
        Permission::Verify => t::roles::verify(),
        Permission::ShowReports => t::roles::show_reports(),
        Permission::Export => t::roles::export(),
        Permission::ShowBilling => t::roles::show_billing(),
        Permission::ManageBilling => t::roles::manage_billing(),
        Permission::ShowTeam => t::roles::show_team(),
        Permission::ManageTeam => t::roles::manage_team(),
        Permission::ShowAudit => t::roles::show_audit(),
        Permission::ManageMerchant => t::roles::manage_merchant(),
    }
}
