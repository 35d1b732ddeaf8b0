//! A button that copies a text.

use leptos::prelude::*;

/// Copies `text` and says so for as long as the page stays.
#[island]
pub fn CopyButton(text: String, label: String, done: String, icon: String) -> impl IntoView {
    let copied = RwSignal::new(false);
    let copy = move |_| {
        // The browser asks whoever it must; a refusal leaves the text to be selected by hand.
        let _promise = window().navigator().clipboard().write_text(&text);
        copied.set(true);
    };
    view! {
        <button type="button" class="btn btn-quiet sm" on:click=copy>
            <svg class="i s" aria-hidden="true"><use href=icon></use></svg>
            <span aria-live="polite">{move || if copied.get() { done.clone() } else { label.clone() }}</span>
        </button>
    }
}
