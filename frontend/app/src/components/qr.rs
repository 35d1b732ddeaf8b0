//! A picture that a phone reads.

use leptos::prelude::*;
use qrcode::{Color, QrCode};

/// Modules of white around the code, without which readers do not find it.
const QUIET: usize = 4;

/// The picture of a text; nothing where the text is too long for one.
#[component]
pub(crate) fn Qr(text: String, #[prop(into)] label: String) -> AnyView {
    let Ok(code) = QrCode::new(text.as_bytes()) else { return ().into_any() };
    let width = code.width();
    let side = width + 2 * QUIET;
    let mut path = String::new();
    for (index, color) in code.to_colors().into_iter().enumerate() {
        if color == Color::Dark {
            let (x, y) = (index % width + QUIET, index / width + QUIET);
            path.push_str(&format!("M{x} {y}h1v1h-1z"));
        }
    }
    view! {
        <svg class="qr w-56 h-56 mx-auto rounded-lg" viewBox=format!("0 0 {side} {side}") role="img" aria-label=label shape-rendering="crispEdges">
            <rect width=side height=side fill="#fff"/>
            <path d=path fill="#000"/>
        </svg>
    }
    .into_any()
}
