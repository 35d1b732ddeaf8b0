//! Dialogs: a question, its consequence in numbers, and two answers.

use leptos::prelude::*;

use super::{Icon, Tone};
use crate::t;

/// A dialog that a button with `commandfor` opens; its answer is a form of its own.
///
/// Whoever puts one on a page also has a page with the same form, for browsers that know no `commandfor`.
#[component]
pub(crate) fn Dialog(
    id: &'static str,
    tone: Tone,
    icon: &'static str,
    #[prop(into)] question: String,
    #[prop(into)] consequence: String,
    /// Whether it stands in the page, as on the style guide.
    #[prop(optional)]
    inline: bool,
    /// What has to be typed before the act, if anything.
    #[prop(optional, into)]
    body: Option<AnyView>,
    /// The button that answers yes.
    children: Children,
) -> AnyView {
    let title = format!("{id}-title");
    let labelled_by = title.clone();
    let class = if inline { "dlg p-5 w-full max-w-md static block m-0" } else { "dlg p-5 w-full max-w-md m-auto" };
    view! {
        <dialog id=id class=class open=inline aria-labelledby=labelled_by>
            <form method="dialog" class="contents">
                <div class=format!("flex gap-3 {}", tone.class())>
                    <span class="disc big"><Icon name=icon size="l"/></span>
                    <div class="min-w-0 flex-1">
                        <h3 id=title class="font-semibold text-md">{question}</h3>
                        <p class="text-ink2 mt-1 leading-6">{consequence}</p>
                        {body}
                    </div>
                </div>
                <div class="flex justify-end gap-2 mt-4 flex-wrap">
                    <button class="btn btn-quiet" value="cancel" formnovalidate=true>{t::site::cancel()}</button>
                    {children()}
                </div>
            </form>
        </dialog>
    }
    .into_any()
}
