//! The mark.

use leptos::prelude::*;

/// The mark, in the theme's colors.
#[component]
pub(crate) fn Logo(#[prop(default = 28)] size: u16) -> AnyView {
    view! {
        <svg class="flex-none" width=size height=size viewBox="0 0 32 32" aria-hidden="true">
            <rect width="32" height="32" rx="9" fill="var(--color-primary)"></rect>
            <g fill="none" stroke="var(--color-primary-content)" stroke-width="2.6" stroke-linecap="round" stroke-linejoin="round">
                <path d="M8 12.2h9.5a4 4 0 0 1 0 8H14"></path>
                <path d="M16.8 16.6 13.2 20.2l3.6 3.6"></path>
            </g>
            <circle cx="23.6" cy="12.2" r="1.7" fill="var(--color-primary-content)"></circle>
        </svg>
    }
    .into_any()
}
