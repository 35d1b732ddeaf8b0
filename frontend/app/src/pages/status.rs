//! `/status`: whether this installation works, as the server knows it at this moment.

use leptos::prelude::*;

use crate::components::{Icon, Tone};
use crate::context::{self, Condition};
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::t;

/// What works and what does not.
#[component]
pub(crate) fn Status() -> AnyView {
    let condition = context::page().condition;
    let (tone, icon, summary) = if condition.is_fine() {
        (Tone::Delivered, "circle-check", t::status::fine())
    } else {
        (Tone::Exception, "octagon-alert", t::status::broken())
    };
    view! {
        <PageTitle name=t::site::status()/>
        <PublicLayout>
            <section class="wide py-14 max-w-3xl">
                <h1 class="text-3xl font-semibold">{t::site::status()}</h1>
                <p class="text-ink2 mt-2 leading-6">{t::status::lead()}</p>
                <div class="card overflow-hidden mt-6">
                    <div class=format!("px-4 py-3 flex items-center gap-3 border-b border-line ground {}", tone.class()) role="status">
                        <span class="solid"><Icon name=icon size="l"/></span>
                        <b class="font-semibold text-ink">{summary}</b>
                    </div>
                    <ul class="divide-y divide-line">
                        {row(true, t::status::pages(), t::status::pages_fine(), "")}
                        {row(condition.database, t::status::database(), t::status::database_fine(), t::status::database_broken())}
                        {row(condition.queue, t::status::queue(), t::status::queue_fine(), t::status::queue_broken())}
                    </ul>
                </div>
                <p class="sub mt-4">{t::status::scope()}</p>
            </section>
        </PublicLayout>
    }
    .into_any()
}

fn row(is_fine: bool, name: &'static str, fine: &'static str, broken: &'static str) -> impl IntoView {
    let (tone, icon, finding) =
        if is_fine { (Tone::Delivered, "circle-check", fine) } else { (Tone::Exception, "circle-x", broken) };
    view! {
        <li class=format!("flex items-center gap-3 px-4 py-3 {}", tone.class())>
            <span class="solid"><Icon name=icon size="l"/></span>
            <div class="min-w-0 flex-1 grid sm:grid-cols-[10rem_1fr] gap-x-4 items-center">
                <span class="font-medium">{name}</span>
                <span class="text-sm text-ink2">{finding}</span>
            </div>
        </li>
    }
}

impl Condition {
    fn is_fine(self) -> bool {
        self.database && self.queue
    }
}
