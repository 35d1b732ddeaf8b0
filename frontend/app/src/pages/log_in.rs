//! `/log-in`.

use leptos::prelude::*;

use crate::components::{AskPasskey, Field, FormError, Look, NextPage, Notice, PasswordField, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::{context, t};

/// The form that `POST /log-in` answers.
#[component]
pub(crate) fn LogIn() -> AnyView {
    view! {
        <PageTitle name=t::accounts::log_in()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/log-in">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::log_in()}</h1>
                    <p class="text-ink2 mt-1">
                        {t::accounts::no_account()}" "<a class="lnk" href="/sign-up">{t::accounts::sign_up()}</a>
                    </p>
                </div>
                <Notice/>
                <FormError/>
                <NextPage/>
                <Field
                    name="login"
                    label=t::accounts::login()
                    hint=t::accounts::login_hint()
                    autocomplete="username"
                />
                <PasswordField
                    name="password"
                    label=t::accounts::password()
                    autocomplete="current-password"
                    forgotten="/reset-password"
                />
                <Submit class="lg w-full">{t::accounts::log_in()}</Submit>
                <p class="sub text-center">{t::accounts::new_device()}</p>
                <p class="sub text-center"><a class="lnk" href="/recover">{t::accounts::lost_everything()}</a></p>
            </form>
        </AccountLayout>
    }
    .into_any()
}

/// `/log-in/second-step`.
#[component]
pub(crate) fn SecondStep() -> AnyView {
    let has_passkey = context::page().query.contains_key("passkey");
    view! {
        <PageTitle name=t::accounts::second_step_title()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{t::accounts::second_step_title()}</h1>
                <FormError/>
                {has_passkey.then(|| view! { <AskPasskey action="/log-in/second-step/passkey"/> })}
            </div>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/log-in/second-step">
                <p class="text-ink2 leading-6">{t::accounts::second_step_text()}</p>
                <NextPage/>
                {has_passkey.then(|| view! { <input type="hidden" name="passkey" value="1"/> })}
                <Field name="code" label=t::accounts::code() autocomplete="one-time-code" max_length=40/>
                <Submit look=if has_passkey { Look::Quiet } else { Look::Primary } class="lg w-full">{t::accounts::continue_()}</Submit>
                <p class="sub"><a class="lnk" href="/log-in">{t::accounts::back_to_log_in()}</a></p>
            </form>
        </AccountLayout>
    }
    .into_any()
}
