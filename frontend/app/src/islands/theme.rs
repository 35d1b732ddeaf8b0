//! Light and dark without loading the page again.

use leptos::prelude::*;
use leptos::web_sys;

/// The button of the theme's form: changes the page at once and keeps the choice, instead of sending the form.
#[island]
pub fn ThemeButton(next: String, label: String, icon: String) -> impl IntoView {
    let change = move |event: web_sys::MouseEvent| {
        if switch().is_some() {
            event.prevent_default();
        }
    };
    view! {
        <button class="btn btn-bare sq" name="theme" value=next aria-label=label.clone() title=label on:click=change>
            <svg class="i" aria-hidden="true"><use href=icon></use></svg>
        </button>
    }
}

/// Turns the page to the colors it does not have; `None` leaves that to the form.
fn switch() -> Option<()> {
    let window = window();
    let page = document().document_element()?;
    let is_dark = match page.get_attribute("data-theme") {
        Some(name) => name == "kami-dark",
        None => window.match_media("(prefers-color-scheme: dark)").ok()??.matches(),
    };
    let next = if is_dark { "light" } else { "dark" };
    page.set_attribute("data-theme", &format!("kami-{next}")).ok()?;
    let secure = if window.location().protocol().ok()? == "https:" { "; Secure" } else { "" };
    let cookie = format!("kamiflow_theme={next}; Path=/; Max-Age=31536000; SameSite=Lax{secure}");
    use leptos::wasm_bindgen::JsCast as _;
    document().dyn_into::<web_sys::HtmlDocument>().ok()?.set_cookie(&cookie).ok()
}
