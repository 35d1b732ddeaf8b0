//! The frame of what anybody may read.

use leptos::prelude::*;

use crate::components::{LanguageSwitch, Logo, Look, ThemeSwitch};
use crate::{context, t};

/// Header, page and footer.
#[component]
pub(crate) fn PublicLayout(children: Children) -> AnyView {
    view! {
        <SiteHeader/>
        <main id="main" class="flex-1">{children()}</main>
        <SiteFooter/>
    }
    .into_any()
}

#[component]
fn SiteHeader() -> AnyView {
    let path = context::page().path.clone();
    let link = move |href: &'static str, label: &'static str| {
        view! { <a class="navlink" href=href aria-current=(path == href).then_some("page")>{label}</a> }
    };
    view! {
        <header class="sticky top-0 z-20 border-b border-line bg-surface/95 backdrop-blur">
            <div class="wide h-15 flex items-center gap-6">
                <a class="flex items-center gap-2.5 no-underline whitespace-nowrap" href="/">
                    <Logo/>
                    <b class="text-md font-semibold tracking-wide">{t::site::name()}</b>
                </a>
                <nav class="hide-s flex gap-5 text-sm text-ink2" aria-label=t::site::navigation()>
                    {link("/pricing", t::site::pricing())}
                    {link("/help", t::site::help())}
                    {link("/status", t::site::status())}
                </nav>
                <div class="ml-auto flex items-center gap-0.5 sm:gap-1.5">
                    <LanguageSwitch class="hide-s"/>
                    <ThemeSwitch/>
                    <a class="btn btn-bare max-sm:px-2" href="/log-in">{t::site::log_in()}</a>
                    <a class=Look::Primary.class() href="/sign-up">{t::site::start()}</a>
                </div>
            </div>
        </header>
    }
    .into_any()
}

#[component]
fn SiteFooter() -> AnyView {
    view! {
        <footer class="border-t border-line">
            <div class="wide py-6 sub flex gap-x-5 gap-y-2 flex-wrap items-center">
                <span>{t::site::footer_name()}</span>
                <a class="navlink" href="/pricing">{t::site::pricing()}</a>
                <a class="navlink" href="/help">{t::site::help()}</a>
                <a class="navlink" href="/status">{t::site::status()}</a>
                <a class="navlink" href="/terms">{t::site::terms()}</a>
                <a class="navlink" href="/privacy">{t::site::privacy()}</a>
                <LanguageSwitch class="md:hidden"/>
                <span class="md:ml-auto">{t::site::independence()}</span>
            </div>
        </footer>
    }
    .into_any()
}
