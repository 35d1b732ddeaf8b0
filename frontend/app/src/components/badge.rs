//! Badges: color, icon and word, always all three.

use leptos::prelude::*;

use super::{Icon, Tone};
use crate::t;

/// Where an order stands, as lists and detail pages show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum OrderBadge {
    /// Paid, not sent yet.
    Waiting,
    /// Being handed over.
    Sending,
    /// The buyer has it.
    Delivered,
    /// Declared used.
    Redeemed,
    /// A person decides.
    Review,
    /// Something is wrong.
    Exception,
    /// Refunded or handled elsewhere.
    Closed,
}

impl OrderBadge {
    /// Every state, in the order an order goes through them.
    pub(crate) const ALL: [Self; 7] =
        [Self::Waiting, Self::Sending, Self::Delivered, Self::Redeemed, Self::Review, Self::Exception, Self::Closed];

    fn parts(self) -> (Tone, &'static str, &'static str) {
        match self {
            Self::Waiting => (Tone::Waiting, "clock", t::states::waiting()),
            Self::Sending => (Tone::Sending, "send", t::states::sending()),
            Self::Delivered => (Tone::Delivered, "package-check", t::states::delivered()),
            Self::Redeemed => (Tone::Redeemed, "badge-check", t::states::redeemed()),
            Self::Review => (Tone::Review, "hand", t::states::review()),
            Self::Exception => (Tone::Exception, "triangle-alert", t::states::exception()),
            Self::Closed => (Tone::Closed, "circle-slash", t::states::closed()),
        }
    }

    /// Returns the badge.
    pub(crate) fn view(self, outlined: bool) -> impl IntoView {
        let (tone, icon, word) = self.parts();
        view! { <Badge tone=tone icon=icon outlined=outlined>{word}</Badge> }
    }
}

/// A mark of a few words.
#[component]
pub(crate) fn Badge(
    tone: Tone,
    #[prop(optional)] icon: Option<&'static str>,
    #[prop(optional)] outlined: bool,
    children: Children,
) -> AnyView {
    let class = format!("st {}{}", tone.class(), if outlined { " line" } else { "" });
    view! { <span class=class>{icon.map(|name| view! { <Icon name=name/> })}{children()}</span> }.into_any()
}
