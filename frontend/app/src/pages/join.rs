//! `/join`: an invitation to a team.

use leptos::prelude::*;

use super::console::role_name;
use crate::components::{FormError, LinkToken, Look, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::team::Offer;
use crate::{context, t};

/// Says who invites, and lets somebody who is logged in accept.
#[component]
pub(crate) fn Join() -> AnyView {
    let Some(data) = context::data::<Offer>() else { return ().into_any() };
    let token = context::page().query.get("token").cloned().unwrap_or_default();
    let body = match (&data.offer, data.is_logged_in) {
        (None, _) => view! { <p class="text-ink2 leading-6">{t::join::refused()}</p> }.into_any(),
        (Some((merchant, role)), true) => view! {
            <p class="text-ink2 leading-6">{t::join::text(merchant, role_name(*role))}</p>
            <Submit class="lg w-full">{t::join::accept()}</Submit>
        }
        .into_any(),
        (Some((merchant, role)), false) => {
            let log_in = format!("/log-in?next=%2Fjoin%3Ftoken%3D{token}");
            view! {
                <p class="text-ink2 leading-6">{t::join::text(merchant, role_name(*role))}</p>
                <p class="text-ink2 leading-6">{t::join::log_in_first()}</p>
                <a class=format!("{} lg w-full", Look::Primary.class()) href=log_in>{t::accounts::log_in()}</a>
                <a class=format!("{} w-full", Look::Quiet.class()) href="/sign-up">{t::accounts::sign_up()}</a>
            }
            .into_any()
        }
    };
    view! {
        <PageTitle name=t::join::title()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/join">
                <h1 class="text-2xl font-semibold">{t::join::title()}</h1>
                <FormError/>
                <LinkToken/>
                {body}
            </form>
        </AccountLayout>
    }
    .into_any()
}
