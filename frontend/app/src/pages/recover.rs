//! `/recover`: an owner who lost everything, and the pages that its mails lead to.

use leptos::prelude::*;

use super::links::Linked;
use crate::components::{Field, FormError, Notice, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::t;

/// The form that `POST /recover` answers.
#[component]
pub(crate) fn Recover() -> AnyView {
    view! {
        <PageTitle name=t::accounts::recover_title()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/recover">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::recover_title()}</h1>
                    <p class="text-ink2 mt-1 leading-6">{t::accounts::recover_text()}</p>
                </div>
                <Notice/>
                <FormError/>
                <Field name="login" label=t::accounts::recover_login() kind="email" autocomplete="username" max_length=254/>
                <Field
                    name="number"
                    label=t::accounts::recover_number()
                    hint=t::accounts::recover_number_hint()
                    autocomplete="off"
                    max_length=18
                />
                <Field
                    name="contact"
                    label=t::accounts::recover_contact()
                    hint=t::accounts::recover_contact_hint()
                    kind="email"
                    autocomplete="email"
                    max_length=254
                />
                <Submit class="lg w-full">{t::accounts::recover_ask()}</Submit>
                <p class="sub"><a class="lnk" href="/log-in">{t::accounts::back_to_log_in()}</a></p>
            </form>
        </AccountLayout>
    }
    .into_any()
}

/// `/recover/stop`: the link that owners and admins are sent.
#[component]
pub(crate) fn RecoverStop() -> AnyView {
    view! {
        <Linked
            action="/recover/stop"
            title=t::accounts::recover_stop_title()
            text=t::accounts::recover_stop_text()
        >
            <Submit class="lg w-full">{t::accounts::recover_stop()}</Submit>
        </Linked>
    }
    .into_any()
}

/// `/recover/finish`: the link that the owner is sent at last.
#[component]
pub(crate) fn RecoverFinish() -> AnyView {
    view! {
        <Linked action="/recover/finish" title=t::accounts::recover_title() text=t::accounts::recover_finish_text()>
            <Submit class="lg w-full">{t::accounts::continue_()}</Submit>
        </Linked>
    }
    .into_any()
}
