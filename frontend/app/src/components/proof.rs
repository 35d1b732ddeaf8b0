//! Says before a form that sending it asks for a fresh proof, so that nothing typed or chosen is lost on the way.

use leptos::prelude::*;

use super::{Banner, Tone};
use crate::{context, t};

/// A way to prove oneself and come back; nothing for who has done so in the last ten minutes.
#[component]
pub(crate) fn ProofFirst() -> AnyView {
    let page = context::page();
    if page.session.as_ref().is_none_or(|session| session.has_sudo) {
        return ().into_any();
    }
    let act = (format!("/account/sudo?next={}", page.path), t::accounts::proof_act().to_owned());
    view! { <Banner tone=Tone::Waiting icon="key-round" act=act>{t::accounts::proof_first()}</Banner> }.into_any()
}
