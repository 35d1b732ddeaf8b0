//! `/account/…`: one's own password and proof.

use leptos::prelude::*;

use crate::components::{
    AskPasskey, Field, FormError, Look, NewPasswordField, NextPage, Notice, PasswordField, Submit,
};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::account::{NewPassword, Proofs};
use crate::{context, t};

/// `/account/password`.
#[component]
pub(crate) fn Password() -> AnyView {
    let is_temporary = context::data::<NewPassword>().is_some_and(|data| data.is_temporary);
    let text = if is_temporary { t::accounts::must_change() } else { t::security::password_text() };
    view! {
        <PageTitle name=t::accounts::password_title()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/account/password">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::password_title()}</h1>
                    <p class="text-ink2 mt-1">{text}</p>
                </div>
                <FormError/>
                <PasswordField name="present" label=t::accounts::present_password() autocomplete="current-password"/>
                <NewPasswordField/>
                <Submit class="lg w-full">{t::accounts::set_password()}</Submit>
                {(!is_temporary).then(|| view! { <p class="sub"><a class="lnk" href="/account/security">{t::console::security()}</a></p> })}
            </form>
        </AccountLayout>
    }
    .into_any()
}

/// `/account/email`: asks for another address.
#[component]
pub(crate) fn Email() -> AnyView {
    view! {
        <PageTitle name=t::accounts::email_title()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/account/email">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::email_title()}</h1>
                    <p class="text-ink2 mt-1 leading-6">{t::accounts::email_text()}</p>
                </div>
                <Notice/>
                <FormError/>
                <Field name="email" label=t::accounts::new_email() kind="email" autocomplete="email" max_length=254/>
                <Submit class="lg w-full">{t::accounts::send_links()}</Submit>
                <p class="sub"><a class="lnk" href="/account/security">{t::console::security()}</a></p>
            </form>
        </AccountLayout>
    }
    .into_any()
}

/// `/account/sudo`: asks for the second factor, or for the password of who has none.
#[component]
pub(crate) fn Sudo() -> AnyView {
    let by_code = context::page().session.as_ref().is_some_and(|session| session.has_second_factor);
    let proof = if by_code {
        view! { <Field name="code" label=t::accounts::code() autocomplete="one-time-code" max_length=40/> }.into_any()
    } else {
        view! { <PasswordField name="password" label=t::accounts::password() autocomplete="current-password"/> }
            .into_any()
    };
    let has_passkey = context::data::<Proofs>().is_some_and(|proofs| proofs.passkey);
    view! {
        <PageTitle name=t::accounts::sudo_title()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::sudo_title()}</h1>
                    <p class="text-ink2 mt-1 leading-6">{t::accounts::sudo_text()}</p>
                </div>
                <Notice/>
                <FormError/>
                {has_passkey.then(|| view! { <AskPasskey action="/account/sudo/passkey"/> })}
            </div>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/account/sudo">
                <NextPage/>
                {proof}
                <Submit look=if has_passkey { Look::Quiet } else { Look::Primary } class="lg w-full">{t::accounts::prove()}</Submit>
            </form>
        </AccountLayout>
    }
    .into_any()
}
