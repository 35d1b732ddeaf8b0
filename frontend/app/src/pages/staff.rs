//! `/staff/…`: the pages of the operator's own people, one file per area.

mod account;
mod case;
mod decision;
mod log_in;
mod queue;
mod recoveries;

pub(crate) use self::account::StaffAccount;
pub(crate) use self::case::StaffCase;
pub(crate) use self::log_in::{StaffEnroll, StaffLogIn, StaffSecondStep};
pub(crate) use self::queue::StaffQueue;
pub(crate) use self::recoveries::{StaffRecoveries, StaffRecovery};

use leptos::prelude::*;

use crate::components::{FormError, Icon, Notice};
use crate::document::PageTitle;
use crate::layouts::StaffLayout;
use crate::t;

/// A page of the staff: frame, title, a line of context, and what was just done.
#[component]
fn StaffPage(
    #[prop(into)] title: String,
    #[prop(optional, into)] context: Option<String>,
    /// The list above, and its name.
    #[prop(optional)]
    trail: Option<(&'static str, &'static str)>,
    children: Children,
) -> AnyView {
    let name = title.clone();
    view! {
        <PageTitle name=title.clone()/>
        <StaffLayout>
            {trail.map(|(href, list)| view! {
                <nav class="sub flex items-center gap-1.5 mb-2" aria-label=t::console::trail()>
                    <a href=href class="no-underline hover:underline">{list}</a>
                    <Icon name="chevron-right" size="s"/>
                    <span aria-current="page">{name}</span>
                </nav>
            })}
            <div class="ph">
                <div class="min-w-0">
                    <h1>{title}</h1>
                    {context.map(|context| view! { <p class="sub mt-0.5">{context}</p> })}
                </div>
            </div>
            <div class="grid gap-4">
                <Notice/>
                <FormError/>
                {children()}
            </div>
        </StaffLayout>
    }
    .into_any()
}
