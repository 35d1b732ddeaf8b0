//! A question before an act that is hard to take back, on a page of its own address: `/console/team?remove=…`. It needs no
//! script, and whoever goes back has done nothing.

use leptos::prelude::*;

use super::{Icon, Look, Submit, Tone};
use crate::t;

/// What is asked, what follows, and the form whose button does it.
#[component]
pub(crate) fn Confirm(
    #[prop(into)] question: String,
    #[prop(into)] consequence: String,
    /// Where the form is sent, with which field.
    action: String,
    field: (&'static str, String),
    /// What the button says: a verb and its object.
    act: &'static str,
    /// The page without the question.
    back: &'static str,
) -> AnyView {
    let (name, value) = field;
    view! {
        <section class="card p-5 max-w-xl" id="confirm" role="alertdialog" aria-labelledby="confirm-title" aria-describedby="confirm-text">
            <div class=format!("flex gap-3 {}", Tone::Exception.class())>
                <span class="disc big"><Icon name="triangle-alert" size="l"/></span>
                <div class="min-w-0 flex-1">
                    <h2 id="confirm-title" class="font-semibold text-md">{question}</h2>
                    <p id="confirm-text" class="text-ink2 mt-1 leading-6">{consequence}</p>
                </div>
            </div>
            <form class="flex justify-end gap-2 mt-4 flex-wrap" method="post" action=action>
                <input type="hidden" name=name value=value/>
                <a class=Look::Quiet.class() href=back>{t::site::cancel()}</a>
                <Submit look=Look::Irreversible>{act}</Submit>
            </form>
        </section>
    }
    .into_any()
}
