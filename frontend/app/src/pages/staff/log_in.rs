//! `/staff/log-in` with its second step, and `/staff/enroll`.

use leptos::prelude::*;

use crate::components::{Field, FormError, LinkToken, Notice, PasswordField, Submit};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::t;

/// `/staff/log-in`.
#[component]
pub(crate) fn StaffLogIn() -> AnyView {
    view! {
        <StaffForm action="/staff/log-in" title=t::staff::log_in_title() text=t::staff::log_in_text()>
            <Field name="email" label=t::accounts::email() kind="email" autocomplete="username" max_length=254/>
            <PasswordField name="password" label=t::accounts::password() autocomplete="current-password"/>
            <Submit class="lg w-full">{t::staff::next()}</Submit>
        </StaffForm>
    }
    .into_any()
}

/// `/staff/log-in/second-step`.
#[component]
pub(crate) fn StaffSecondStep() -> AnyView {
    view! {
        <StaffForm
            action="/staff/log-in/second-step"
            title=t::accounts::second_step_title()
            text=t::accounts::second_step_text()
        >
            <Field name="code" label=t::accounts::code() autocomplete="one-time-code" max_length=40/>
            <Submit class="lg w-full">{t::accounts::continue_()}</Submit>
            <p class="sub"><a class="lnk" href="/staff/log-in">{t::accounts::back_to_log_in()}</a></p>
        </StaffForm>
    }
    .into_any()
}

/// `/staff/enroll`: the operator's link.
#[component]
pub(crate) fn StaffEnroll() -> AnyView {
    view! {
        <StaffForm action="/staff/enroll" title=t::staff::enroll_title() text=t::staff::enroll_text()>
            <LinkToken/>
            <Submit class="lg w-full">{t::staff::next()}</Submit>
        </StaffForm>
    }
    .into_any()
}

#[component]
fn StaffForm(action: &'static str, title: &'static str, text: &'static str, children: Children) -> AnyView {
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
                {children()}
            </form>
        </AccountLayout>
    }
    .into_any()
}
