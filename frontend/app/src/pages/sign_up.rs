//! `/sign-up`, and what comes after the form.

use leptos::prelude::*;

use crate::components::{Field, FormError, Look, Notice, PasswordField, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::{context, t};

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

/// `/sign-up/sent`: what comes next, the same whether or not a mail is on its way.
#[component]
pub(crate) fn SignUpSent() -> AnyView {
    let page = context::page();
    // What was refused is no address that a mail was sent to.
    let sent = page.outcome.as_ref().filter(|outcome| outcome.errors.is_empty());
    let email = sent.and_then(|outcome| outcome.value("email")).unwrap_or_default().to_owned();
    let text =
        if email.is_empty() { t::accounts::sent_text_plain().to_owned() } else { t::accounts::sent_text(&email) };
    view! {
        <PageTitle name=t::accounts::sent_title()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{t::accounts::sent_title()}</h1>
                <Notice/>
                <p class="text-ink2 leading-6">{text}</p>
                {page.inbox.clone().map(|inbox| view! {
                    <div class="grid gap-1">
                        <a class="btn btn-primary lg w-full" id="inbox" href=inbox target="_blank" rel="noreferrer">{t::accounts::open_inbox()}</a>
                        <p class="sub">{t::accounts::inbox_hint()}</p>
                    </div>
                })}
                <form class="grid gap-4" method="post" action="/sign-up/sent">
                    <FormError/>
                    <Field name="email" label=t::accounts::email() kind="email" autocomplete="email" max_length=254/>
                    <Submit look=Look::Quiet class="w-full">{t::accounts::send_again()}</Submit>
                </form>
                <p class="sub"><a class="lnk" href="/log-in">{t::accounts::back_to_log_in()}</a></p>
            </div>
        </AccountLayout>
    }
    .into_any()
}
