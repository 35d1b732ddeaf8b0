//! The document around every page: its head, and the script that wakes islands up.

use kamiflow_kernel::Theme;
use leptos::nonce::use_nonce;
use leptos::prelude::*;
use leptos_meta::{MetaTags, Title};

use crate::{context, locale, t};

/// The whole document, with the page inside.
#[component]
pub(crate) fn Document(
    /// The page's name, where no router collects it from [`PageTitle`].
    #[prop(optional, into)]
    title: Option<String>,
    children: Children,
) -> AnyView {
    let page = context::page();
    let assets = page.assets.clone();
    view! {
        <!DOCTYPE html>
        <html lang=locale::current().tag() data-theme=theme(page.theme)>
            <head>
                <meta charset="utf-8"/>
                <meta name="viewport" content="width=device-width, initial-scale=1"/>
                <meta name="color-scheme" content="light dark"/>
                <link rel="stylesheet" href=assets.style.clone()/>
                <link rel="icon" type="image/svg+xml" href=assets.mark.clone()/>
                <script
                    id="boot"
                    type="module"
                    src=assets.boot.clone()
                    data-module=assets.module.clone()
                    data-wasm=assets.wasm.clone()
                    nonce=use_nonce()
                ></script>
                {title.map(|name| view! { <title>{t::site::title(name)}</title> })}
                <MetaTags/>
            </head>
            <body>
                <a class="skip" href="#main">{t::site::skip()}</a>
                {children()}
            </body>
        </html>
    }
    .into_any()
}

/// Names the page in the browser's tab.
#[component]
pub(crate) fn PageTitle(#[prop(into)] name: String) -> AnyView {
    view! { <Title text=t::site::title(name)/> }.into_any()
}

/// Returns `data-theme`, which is left out where the system decides.
const fn theme(theme: Theme) -> Option<&'static str> {
    match theme {
        Theme::System => None,
        Theme::Light => Some("kami-light"),
        Theme::Dark => Some("kami-dark"),
    }
}
