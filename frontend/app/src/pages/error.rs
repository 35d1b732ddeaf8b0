//! What is shown when there is no page to show: 403, 404, 500.

use leptos::prelude::*;

use crate::components::{Icon, Look};
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::{context, t};

/// Says what happened, what it means, and which request to quote.
#[component]
pub(crate) fn ErrorPage(status: u16) -> AnyView {
    let (icon, text) = match status {
        403 => ("ban", t::errors::forbidden_text()),
        404 => ("search", t::errors::not_found_text()),
        413 => ("circle-alert", t::errors::too_large_text()),
        503 => ("plug-zap", t::errors::busy_text()),
        _ => ("triangle-alert", t::errors::broken_text()),
    };
    let title = error_title(status);
    let request_id = context::page().request_id.clone();
    view! {
        <PageTitle name=title/>
        <PublicLayout>
            <section class="wide py-20 grid justify-items-center text-center gap-3">
                <span class="disc huge s-brand"><Icon name=icon size="l"/></span>
                <p class="mono text-ink3">{status}</p>
                <h1 class="text-2xl font-semibold">{title}</h1>
                <p class="text-ink2 max-w-[34em] leading-6">{text}</p>
                <p class="sub mono">{t::site::request_id(request_id)}</p>
                <div class="flex gap-3 mt-3 flex-wrap justify-center">
                    <a class=Look::Primary.class() href="/">{t::errors::home()}</a>
                    <a class=Look::Quiet.class() href="/help">{t::site::help()}</a>
                </div>
            </section>
        </PublicLayout>
    }
    .into_any()
}

/// Says in a few words what a status means.
pub(crate) fn error_title(status: u16) -> &'static str {
    match status {
        403 => t::errors::forbidden(),
        404 => t::errors::not_found(),
        413 => t::errors::too_large(),
        503 => t::errors::busy(),
        _ => t::errors::broken(),
    }
}

/// What the router shows for a path it does not know.
#[component]
pub(crate) fn NotFound() -> AnyView {
    context::answer_with(404);
    view! { <ErrorPage status=404/> }.into_any()
}
