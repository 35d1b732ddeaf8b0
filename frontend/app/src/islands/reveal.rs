//! A switch that shows what is typed into a password's field.

use leptos::prelude::*;
use leptos::wasm_bindgen::JsCast as _;
use leptos::web_sys::HtmlInputElement;

/// Hidden until scripts run, since nothing else can do this.
#[island]
pub fn RevealSwitch(field: String, label: String, icon: String) -> impl IntoView {
    let shown = RwSignal::new(false);
    let ready = RwSignal::new(false);
    Effect::new(move |_| ready.set(true));
    let toggle = move |_| {
        let input = document().get_element_by_id(&field).and_then(|found| found.dyn_into::<HtmlInputElement>().ok());
        if let Some(input) = input {
            shown.update(|shown| *shown = !*shown);
            input.set_type(if shown.get_untracked() { "text" } else { "password" });
        }
    };
    view! {
        <button
            type="button"
            class="btn btn-bare sq sm absolute right-1 top-1/2 -translate-y-1/2 z-10"
            class:invisible=move || !ready.get()
            aria-label=label
            aria-pressed=move || shown.get().to_string()
            on:click=toggle
        >
            <svg class="i" aria-hidden="true"><use href=icon></use></svg>
        </button>
    }
}
