//! Language and theme: plain forms, which an island makes quicker where scripts run.

use kamiflow_kernel::Theme;
use leptos::prelude::*;

use super::icon::{Icon, href};
use crate::context;
use crate::islands::ThemeButton;
use crate::locale;
use crate::t;

/// Changes to the other language and comes back to the same page.
#[component]
pub(crate) fn LanguageSwitch(#[prop(optional)] class: &'static str) -> AnyView {
    let other = locale::current().other();
    let page = context::page();
    // Staff are known on their own pages only.
    let action = if page.staff.is_some() { "/staff/preferences" } else { "/preferences" };
    view! {
        <form method="post" action=action class=class>
            <input type="hidden" name="return_to" value=page.path.clone()/>
            <button class="btn btn-bare" name="language" value=other.tag() lang=other.tag()>
                <Icon name="languages"/>
                {t::site::other_language()}
            </button>
        </form>
    }
    .into_any()
}

/// Changes between light and dark and comes back to the same page.
#[component]
pub(crate) fn ThemeSwitch(#[prop(optional)] class: &'static str) -> AnyView {
    let page = context::page();
    // Without scripts nobody can tell what the system says; dark is what somebody without a choice looks for.
    let next = if page.theme == Theme::Dark { "light" } else { "dark" };
    view! {
        <form method="post" action="/preferences" class=class>
            <input type="hidden" name="return_to" value=page.path.clone()/>
            <ThemeButton
                next=next.to_owned()
                label=t::site::change_theme().to_owned()
                icon=href("sun-moon")
            />
        </form>
    }
    .into_any()
}
