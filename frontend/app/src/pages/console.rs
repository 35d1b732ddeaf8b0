//! The console's pages, one file per area; what they show is in [`crate::views`].

mod overview;
mod shops;

pub(crate) use self::overview::Overview;
pub(crate) use self::shops::{DisconnectShop, Shop, ShopList, TrialRun};

use leptos::prelude::*;

use crate::components::{FormError, Notice};
use crate::context;
use crate::document::PageTitle;
use crate::layouts::{ConsoleLayout, Frame, Section};

/// A page of the console: frame, title, a line of context, acts, and what was just done.
#[component]
fn ConsolePage(
    section: Section,
    #[prop(into)] title: String,
    #[prop(optional, into)] context: Option<String>,
    #[prop(optional, into)] acts: Option<AnyView>,
    children: Children,
) -> AnyView {
    let page = context::page();
    let session = page.session.clone().unwrap_or_default();
    let frame = Frame { session, section, counts: Vec::new(), running: None };
    view! {
        <PageTitle name=title.clone()/>
        <ConsoleLayout frame=frame>
            <div class="ph">
                <div class="min-w-0">
                    <h1>{title}</h1>
                    {context.map(|context| view! { <p class="sub mt-0.5">{context}</p> })}
                </div>
                {acts.map(|acts| view! { <div class="acts">{acts}</div> })}
            </div>
            <div class="grid gap-4">
                <Notice/>
                <FormError/>
                {children()}
            </div>
        </ConsoleLayout>
    }
    .into_any()
}
