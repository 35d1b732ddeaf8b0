//! The pages that links in mails lead to. Mail programs open links by themselves, so each page has a button.

use leptos::prelude::*;

use crate::components::{FormError, LinkToken, Notice, PasswordField, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::t;

/// `/confirm`.
#[component]
pub(crate) fn Confirm() -> AnyView {
    view! {
        <Linked action="/confirm" title=t::accounts::confirm_title() text=t::accounts::confirm_text()>
            <Submit class="lg w-full">{t::accounts::confirm()}</Submit>
        </Linked>
    }
    .into_any()
}

/// `/reset`.
#[component]
pub(crate) fn Reset() -> AnyView {
    view! {
        <Linked action="/reset" title=t::accounts::reset_title() text=t::accounts::password_hint()>
            <PasswordField name="password" label=t::accounts::new_password() autocomplete="new-password" min_length=10/>
            <Submit class="lg w-full">{t::accounts::set_password()}</Submit>
        </Linked>
    }
    .into_any()
}

/// `/change-email`.
#[component]
pub(crate) fn ChangeEmail() -> AnyView {
    view! {
        <Linked action="/change-email" title=t::accounts::change_email_title() text=t::accounts::change_email_text()>
            <Submit class="lg w-full">{t::accounts::confirm_change()}</Submit>
        </Linked>
    }
    .into_any()
}

/// The form of a link in a mail: what it does, and a button.
#[component]
pub(super) fn Linked(action: &'static str, title: &'static str, text: &'static str, children: Children) -> AnyView {
    view! {
        <PageTitle name=title/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action=action>
                <div>
                    <h1 class="text-2xl font-semibold">{title}</h1>
                    <p class="text-ink2 mt-1 leading-6">{text}</p>
                </div>
                <Notice/>
                <FormError/>
                <LinkToken/>
                {children()}
                <p class="sub"><a class="lnk" href="/log-in">{t::accounts::back_to_log_in()}</a></p>
            </form>
        </AccountLayout>
    }
    .into_any()
}
