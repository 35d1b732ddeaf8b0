//! Buttons of forms. A link that looks like a button is an `a` with [`Look::class`].

use leptos::prelude::*;

/// How much a button asks for attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Look {
    /// The one main act of a view.
    #[default]
    Primary,
    /// Another act.
    Quiet,
    /// An act in passing.
    Bare,
    /// An act that takes something away; leads to a dialog.
    Danger,
    /// The confirmation of an act that cannot be undone, only inside of its dialog.
    Irreversible,
}

impl Look {
    /// Returns the classes.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Primary => "btn btn-primary",
            Self::Quiet => "btn btn-quiet",
            Self::Bare => "btn btn-bare",
            Self::Danger => "btn btn-danger",
            Self::Irreversible => "btn btn-error",
        }
    }
}

/// Sends its form.
#[component]
pub(crate) fn Submit(
    #[prop(optional)] look: Look,
    /// More classes: `lg`, `sm`, `w-full`.
    #[prop(optional)]
    class: &'static str,
    #[prop(optional)] disabled: bool,
    children: Children,
) -> AnyView {
    view! { <button type="submit" class=format!("{} {class}", look.class()) disabled=disabled>{children()}</button> }
        .into_any()
}
