//! `/account/merchants`: the merchants that somebody has a seat with, and opening another one.

use leptos::prelude::*;

use super::console::role_name;
use crate::components::{Badge, Field, FormError, Look, Notice, Submit, Tone};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::account::{Merchants as Data, SeatWith};
use crate::{context, format, t};

/// All of them; the one in use and those that have closed cannot be chosen.
#[component]
pub(crate) fn Merchants() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let text = if data.seats.is_empty() { t::accounts::no_merchants() } else { t::accounts::merchants_text() };
    let may_leave = data.seats.iter().any(|seat| seat.is_present);
    view! {
        <PageTitle name=t::accounts::merchants_all()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-5">
                <h1 class="text-2xl font-semibold">{t::accounts::merchants_all()}</h1>
                <Notice/>
                <FormError/>
                <p class="text-ink2 leading-6">{text}</p>
                {(!data.seats.is_empty()).then(|| view! {
                    <form class="card" method="post" action="/account/merchants">
                        <ul class="divide-y divide-line">{data.seats.iter().map(seat).collect_view()}</ul>
                    </form>
                })}
                {data.may_open.then(|| view! {
                    <form class="grid gap-4" method="post" action="/account/merchants/open">
                        <div>
                            <h2 class="font-semibold">{t::accounts::open_merchant()}</h2>
                            <p class="sub mt-1">{t::accounts::open_text()}</p>
                        </div>
                        <Field name="merchant" label=t::accounts::merchant() hint=t::accounts::merchant_hint() max_length=60/>
                        <Submit look=Look::Quiet class="w-full">{t::accounts::open_act()}</Submit>
                    </form>
                })}
                <div class="flex gap-4 flex-wrap items-center">
                    {may_leave.then(|| view! { <a class="lnk" href="/console">{t::accounts::back_to_console()}</a> })}
                    {may_leave.then(|| view! { <a class="lnk" href="/console/team/leave">{t::team::leave()}</a> })}
                    <form class="ml-auto" method="post" action="/log-out"><Submit look=Look::Bare>{t::console::log_out()}</Submit></form>
                </div>
            </div>
        </AccountLayout>
    }
    .into_any()
}

fn seat(seat: &SeatWith) -> impl IntoView + use<> {
    let state = match (seat.is_present, seat.has_closed, seat.closes_at) {
        (_, true, _) => view! { <Badge tone=Tone::Closed>{t::accounts::merchant_closed()}</Badge> }.into_any(),
        (true, false, _) => {
            view! { <Badge tone=Tone::Delivered icon="check">{t::accounts::merchant_here()}</Badge> }.into_any()
        }
        (false, false, _) => {
            let merchant = seat.merchant.to_string();
            view! { <button class="btn btn-quiet sm" name="merchant" value=merchant>{t::accounts::merchant_use()}</button> }
                .into_any()
        }
    };
    let closing = seat.closes_at.filter(|_| !seat.has_closed).map(|at| {
        view! { <div class="sub text-bad">{t::accounts::merchant_closing(format::moment(at))}</div> }
    });
    view! {
        <li class="flex gap-3 items-center px-4 py-3">
            <div class="min-w-0 flex-1">
                <div class="font-medium truncate">{seat.name.clone()}</div>
                <div class="sub">{t::accounts::merchant_role(role_name(seat.role), &seat.code)}</div>
                {closing}
            </div>
            {state}
        </li>
    }
}
