//! What stands where rows will be.

use leptos::prelude::*;

use crate::t;

/// Rows in the shape of those that are being read.
#[component]
pub(crate) fn Skeleton(#[prop(default = 3)] rows: u8) -> AnyView {
    let row = |_index| {
        view! {
            <div class="flex gap-3 items-center">
                <div class="skeleton h-4 w-4"></div>
                <div class="skeleton h-3.5 w-2/5"></div>
                <div class="skeleton h-5 w-16 ml-auto"></div>
            </div>
        }
    };
    view! {
        <div class="p-4 grid gap-3" role="status" aria-busy="true" aria-label=t::site::loading()>
            {(0..rows).map(row).collect_view()}
        </div>
    }
    .into_any()
}
