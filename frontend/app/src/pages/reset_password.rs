//! `/reset-password`: asks for a link.

use leptos::prelude::*;

use crate::components::{Field, FormError, Notice, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::{context, t};

/// The form that `POST /reset-password` answers.
#[component]
pub(crate) fn ResetPassword() -> AnyView {
    view! {
        <PageTitle name=t::accounts::reset_title()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/reset-password">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::reset_title()}</h1>
                    <p class="text-ink2 mt-1 leading-6">{t::accounts::reset_text()}</p>
                </div>
                <Notice/>
                <FormError/>
                <Field name="email" label=t::accounts::email() kind="email" autocomplete="email" max_length=254/>
                <Submit class="lg w-full">{t::accounts::send_link()}</Submit>
                <p class="sub flex gap-4">
                    <a class="lnk" href="/log-in">{t::accounts::back_to_log_in()}</a>
                    {context::page().inbox.clone().map(|inbox| view! {
                        <a class="lnk" href=inbox target="_blank" rel="noreferrer">{t::accounts::open_inbox()}</a>
                    })}
                </p>
            </form>
        </AccountLayout>
    }
    .into_any()
}
