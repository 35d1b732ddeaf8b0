//! `/console/team/leave`: the question before somebody gives up the own seat.

use leptos::prelude::*;

use crate::components::{Banner, Icon, Look, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::team::Leaving;
use crate::{context, t};

/// Asks, and says what follows.
#[component]
pub(crate) fn LeaveTeam() -> AnyView {
    let Some(data) = context::data::<Leaving>() else { return ().into_any() };
    let act = if data.is_only_owner {
        view! { <Banner tone=Tone::Review icon="triangle-alert">{t::errors::team_only_owner()}</Banner> }.into_any()
    } else {
        view! {
            <form class="flex justify-end gap-2 flex-wrap" method="post" action="/console/team/leave">
                <a class=Look::Quiet.class() href="/console">{t::site::cancel()}</a>
                <Submit look=Look::Irreversible>{t::team::leave()}</Submit>
            </form>
        }
        .into_any()
    };
    view! {
        <ConsolePage section=Section::Team title=t::team::leave() context=data.merchant.clone()>
            <section class="dlg p-5 w-full max-w-xl" aria-labelledby="question">
                <div class=format!("flex gap-3 {}", Tone::Exception.class())>
                    <span class="disc big"><Icon name="log-out" size="l"/></span>
                    <div class="min-w-0 flex-1">
                        <h2 id="question" class="font-semibold text-md">{t::team::leave_question(&data.merchant)}</h2>
                        <p class="text-ink2 leading-6 mt-2">{t::team::leave_text()}</p>
                    </div>
                </div>
                <div class="mt-5">{act}</div>
            </section>
        </ConsolePage>
    }
    .into_any()
}
