//! `/styleguide`, in development only: every component in every state, and the console's frame with a dashboard in it.

mod console;
mod forms;
mod lists;
mod marks;

use leptos::prelude::*;

pub(crate) use self::console::ConsoleSample;
use crate::components::ThemeSwitch;
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::t;

/// Every component in every state.
#[component]
pub(crate) fn Styleguide() -> AnyView {
    view! {
        <PageTitle name=t::styleguide::title()/>
        <PublicLayout>
            <div class="page">
                <div class="ph">
                    <div class="min-w-0">
                        <h1>{t::styleguide::title()}</h1>
                        <p class="sub mt-0.5">{t::styleguide::lead()}</p>
                    </div>
                    <div class="acts"><ThemeSwitch/><a class="btn btn-quiet" href="/styleguide/console">{t::styleguide::console()}</a></div>
                </div>
                <div class="grid lg:grid-cols-2 gap-4 items-start">
                    <marks::Colors/>
                    <marks::States/>
                    <marks::Scale/>
                    <marks::Buttons/>
                    <forms::Fields/>
                    <marks::Chips/>
                    <marks::Banners/>
                    <marks::Toasts/>
                    <forms::Dialogs/>
                    <lists::Conditions/>
                    <lists::Progress/>
                    <lists::Checks/>
                    <lists::Lines/>
                    <lists::Rows/>
                    <lists::WhyAndWhat/>
                </div>
            </div>
        </PublicLayout>
    }
    .into_any()
}
