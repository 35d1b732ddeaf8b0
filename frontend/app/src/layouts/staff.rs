//! The frame of the staff's pages: one bar, no merchant.

use kamiflow_kernel::StaffRole;
use leptos::prelude::*;

use crate::components::{Icon, LanguageSwitch, Logo, ThemeSwitch};
use crate::context::StaffView;
use crate::{context, t};

/// Bar, entries and page.
#[component]
pub(crate) fn StaffLayout(children: Children) -> AnyView {
    let page = context::page();
    let entry = |href: &'static str, icon: &'static str, name: &'static str| {
        let current = page.path.starts_with(href).then_some("page");
        view! { <a href=href aria-current=current><Icon name=icon/>{name}</a> }
    };
    view! {
        <header class="top">
            <a class="flex items-center gap-2.5 no-underline whitespace-nowrap" href="/staff/verifications">
                <Logo size=26/>
                <span class="font-semibold">{t::staff::area()}</span>
            </a>
            <div class="ml-auto flex items-center gap-1">
                {page.staff.clone().map(who)}
                <LanguageSwitch class="hide-s"/>
                <ThemeSwitch class="hide-s"/>
                <form method="post" action="/staff/log-out">
                    <button class="btn btn-bare sq" aria-label=t::staff::log_out()><Icon name="log-out"/></button>
                </form>
            </div>
        </header>
        <main id="main">
            <div class="page">
                <nav class="tabs mb-5" aria-label=t::staff::navigation()>
                    {entry("/staff/verifications", "shield-check", t::staff::queue_title())}
                    {entry("/staff/recoveries", "key-round", t::staff::recoveries_title())}
                </nav>
                {children()}
            </div>
        </main>
    }
    .into_any()
}

fn who(staff: StaffView) -> AnyView {
    let role = match staff.role {
        StaffRole::Reviewer => t::staff::reviewer(),
        StaffRole::Support => t::staff::support(),
        StaffRole::Admin => t::staff::admin(),
    };
    view! {
        <a class="lnk text-sm truncate max-w-40" href="/staff/account">{staff.name}</a>
        <span class="sub hide-s">{role}</span>
    }
    .into_any()
}
