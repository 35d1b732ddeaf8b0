//! `/console/team/{user}`: what a member is and sees; and handing the merchant over.

use std::collections::BTreeSet;

use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::{Role, ShopId};
use leptos::prelude::*;

use super::role_name;
use crate::components::{Banner, Card, Icon, Look, ProofFirst, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::team::Seat;
use crate::{context, t};

/// One member's seat.
#[component]
pub(crate) fn MemberSeat() -> AnyView {
    let Some(data) = context::data::<Seat>() else { return ().into_any() };
    let member = &data.member;
    let page = format!("/console/team/{}", member.user);
    let trail = ("/console/team".to_owned(), t::console::team().to_owned());
    let hand_over = data.may_hand_over.then(|| hand_over(&data, &page));
    let fields = view! {
        <SeatFields prefix="seat" shops=data.shops.clone() roles=data.roles.clone() role=member.role sees=Some(data.sees.clone())/>
    };
    view! {
        <ConsolePage section=Section::Team title=member.name.clone() context=member.login.clone() trail=trail>
            <Card title=t::team::change_seat() class="max-w-xl">
                <form class="p-4 grid gap-4" method="post" action=page>
                    <p class="text-sm text-ink2 leading-6">{t::team::seat_text()}</p>
                    {fields}
                    <div><Submit>{t::team::save_seat()}</Submit></div>
                </form>
            </Card>
            {hand_over}
        </ConsolePage>
    }
    .into_any()
}

/// Handing the merchant over, where it is possible.
fn hand_over(data: &Seat, page: &str) -> AnyView {
    let action = format!("{page}/owner");
    let label = t::team::hand_over_to(&data.member.name);
    let text = t::team::hand_over_text(&data.member.name);
    let act = if data.has_address {
        view! {
            <ProofFirst/>
            <form method="post" action=action>
                <Submit look=Look::Irreversible><Icon name="users"/>{label}</Submit>
            </form>
        }
        .into_any()
    } else {
        view! { <Banner tone=Tone::Review icon="triangle-alert">{t::errors::team_needs_address()}</Banner> }.into_any()
    };
    view! {
        <Card title=t::team::hand_over() class="max-w-xl">
            <div class="p-4 grid gap-4">
                <p class="text-sm text-ink2 leading-6">{text}</p>
                {act}
            </div>
        </Card>
    }
    .into_any()
}

/// Role and shops of a seat. All shops are chosen in words, never by choosing nothing.
#[component]
pub(super) fn SeatFields(
    prefix: &'static str,
    shops: Vec<ShopSummary>,
    roles: Vec<Role>,
    /// What is chosen at first.
    #[prop(default = Role::Operator)]
    role: Role,
    /// The shops that are chosen at first, `None` within for all; nothing is chosen without.
    #[prop(default = None)]
    sees: Option<Option<BTreeSet<ShopId>>>,
) -> AnyView {
    let option = |of: Role| view! { <option value=of.as_str() selected={of == role}>{role_name(of)}</option> };
    let scope = |value: &'static str, name: &'static str, checked: bool| {
        view! {
            <label class="flex items-center gap-2 text-sm min-h-6">
                <input type="radio" class="radio radio-primary radio-xs" name="scope" value=value required=true checked=checked/>
                {name}
            </label>
        }
    };
    let ticked = sees.clone().flatten().unwrap_or_default();
    let shop = |shop: &ShopSummary| {
        view! {
            <label class="flex items-center gap-2 text-sm min-h-6">
                <input type="checkbox" class="checkbox checkbox-primary" name="shop" value=shop.shop.to_string() checked=ticked.contains(&shop.shop)/>
                {shop.name.clone()}
            </label>
        }
    };
    let choice = if shops.is_empty() {
        view! { <input type="hidden" name="scope" value="all"/> }.into_any()
    } else {
        view! {
            <fieldset class="grid gap-1.5">
                <legend class="lab mb-1">{t::team::sees()}</legend>
                {scope("all", t::team::all_shops(), sees == Some(None))}
                {scope("some", t::team::these_shops(), matches!(sees, Some(Some(_))))}
                <div class="grid gap-1.5 pl-6">{shops.iter().map(shop).collect_view()}</div>
                <p class="hint">{t::team::shops_hint()}</p>
            </fieldset>
        }
        .into_any()
    };
    view! {
        <div class="field">
            <label for=format!("{prefix}-role")>{t::team::role()}</label>
            <select class="input" id=format!("{prefix}-role") name="role">{roles.into_iter().map(option).collect_view()}</select>
        </div>
        {choice}
    }
    .into_any()
}
