//! `/sign-up`.

use leptos::prelude::*;

use crate::components::{Field, FormError, PasswordField, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::t;

/// The form that `POST /sign-up` answers.
#[component]
pub(crate) fn SignUp() -> AnyView {
    view! {
        <PageTitle name=t::accounts::sign_up()/>
        <AccountLayout>
            <form class="w-full max-w-sm grid gap-4" method="post" action="/sign-up">
                <div>
                    <h1 class="text-2xl font-semibold">{t::accounts::sign_up_title()}</h1>
                    <p class="text-ink2 mt-1">
                        {t::accounts::has_account()}" "<a class="lnk" href="/log-in">{t::accounts::log_in()}</a>
                    </p>
                </div>
                <FormError/>
                <Field name="email" label=t::accounts::email() kind="email" autocomplete="email" max_length=254/>
                <PasswordField
                    name="password"
                    label=t::accounts::password()
                    hint=t::accounts::password_hint()
                    autocomplete="new-password"
                    min_length=10
                />
                <Field
                    name="merchant"
                    label=t::accounts::merchant()
                    hint=t::accounts::merchant_hint()
                    autocomplete="organization"
                    max_length=60
                />
                <Submit class="lg w-full">{t::accounts::create()}</Submit>
                <p class="sub">
                    {t::accounts::agree()}" "
                    <a class="lnk" href="/terms">{t::site::terms()}</a>" "{t::accounts::and()}" "
                    <a class="lnk" href="/privacy">{t::site::privacy()}</a>{t::accounts::full_stop()}
                </p>
            </form>
        </AccountLayout>
    }
    .into_any()
}
