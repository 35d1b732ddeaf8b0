//! `/staff/account`: one's own password and sessions.

use leptos::prelude::*;

use super::StaffPage;
use crate::components::{Card, NewPasswordField, PasswordField, Submit};
use crate::pages::security::devices;
use crate::views::staff::OwnSessions;
use crate::{context, t};

/// What a member of the staff does with her own account.
#[component]
pub(crate) fn StaffAccount() -> AnyView {
    let Some(data) = context::data::<OwnSessions>() else { return ().into_any() };
    view! {
        <StaffPage title=t::staff::account_title() context=t::staff::account_context()>
            <Card title=t::accounts::password_title()>
                <form class="p-4 grid gap-4 max-w-sm" method="post" action="/staff/account/password">
                    <PasswordField name="present" label=t::accounts::present_password() autocomplete="current-password"/>
                    <NewPasswordField/>
                    <div><Submit>{t::accounts::set_password()}</Submit></div>
                </form>
            </Card>
            {devices(&data.0, "/staff/account/session", None)}
        </StaffPage>
    }
    .into_any()
}
