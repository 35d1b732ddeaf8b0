//! What the browser runs: the islands of kamiflow-app, woken up by `frontend/style/boot.js`.

use kamiflow_app as _;

/// Prepares for the islands; each is then hydrated by the function that bears its name.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn hydrate() {
    leptos::mount::hydrate_islands();
}
