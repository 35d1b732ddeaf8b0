//! Proofs of who somebody is. Before a form that asks for a fresh one it is said, so that nothing typed or chosen is lost
//! on the way.

use leptos::prelude::*;

use super::{Banner, Icon, NextPage, Submit, Tone};
use crate::context::PageContext;
use crate::{context, t};

/// A way to prove oneself and come back; nothing for who has done so in the last ten minutes.
#[component]
pub(crate) fn ProofFirst() -> AnyView {
    let page = context::page();
    if page.session.as_ref().is_none_or(|session| session.has_sudo) {
        return ().into_any();
    }
    let act = (format!("/account/sudo?next={}", next(&page)), t::accounts::proof_act().to_owned());
    view! { <Banner tone=Tone::Waiting icon="key-round" act=act>{t::accounts::proof_first()}</Banner> }.into_any()
}

/// Returns the page with its query, as a value of another query.
fn next(page: &PageContext) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(&page.query);
    let here = match query.finish() {
        query if query.is_empty() => page.path.clone(),
        query => format!("{}?{query}", page.path),
    };
    form_urlencoded::byte_serialize(here.as_bytes()).collect()
}

/// Asks for a passkey: a form of its own, whose answer is the page with the question.
#[component]
pub(crate) fn AskPasskey(action: &'static str) -> AnyView {
    view! {
        <form method="post" action=action>
            <NextPage/>
            <Submit class="lg w-full"><Icon name="key-round"/>{t::accounts::use_passkey()}</Submit>
        </form>
    }
    .into_any()
}
