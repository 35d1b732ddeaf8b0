//! A button that takes its toast away, and a clock that does it by itself.

use std::time::Duration;

use leptos::html::Button;
use leptos::prelude::*;
use leptos::web_sys::Element;

/// Takes away the toast it stands in; after `seconds` by itself, unless they are 0.
#[island]
pub fn DismissButton(label: String, icon: String, seconds: u32) -> impl IntoView {
    let button = NodeRef::<Button>::new();
    let dismiss = move || {
        let toast: Option<Element> = button.get_untracked().and_then(|found| found.closest(".toastbox").ok().flatten());
        if let Some(toast) = toast {
            toast.remove();
        }
    };
    Effect::new(move |_| {
        if seconds > 0 {
            set_timeout(dismiss, Duration::from_secs(u64::from(seconds)));
        }
    });
    view! {
        <button type="button" class="btn btn-bare sq sm -m-1" node_ref=button aria-label=label on:click=move |_| dismiss()>
            <svg class="i s" aria-hidden="true"><use href=icon></use></svg>
        </button>
    }
}
