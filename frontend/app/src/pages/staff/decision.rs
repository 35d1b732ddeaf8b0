//! The two forms of a decision: yes, or no with a reason.

use leptos::prelude::*;

use crate::components::{Card, t_error};
use crate::{context, t};

/// Both forms, sent to one address.
#[component]
pub(super) fn Decision(
    action: String,
    /// What a yes means.
    approve: &'static str,
    /// Reasons to choose from; the merchant reads what is chosen.
    presets: Vec<&'static str>,
) -> AnyView {
    let outcome = context::page().outcome.clone().unwrap_or_default();
    let error = outcome.error("reason").map(t_error);
    let note = error.clone().unwrap_or_else(|| t::staff::reason_hint().to_owned());
    let typed = outcome.value("reason").unwrap_or_default().to_owned();
    let is_wrong = error.is_some();
    let option = |text: &'static str| view! { <option value=text>{text}</option> };
    view! {
        <Card title=t::staff::decide()>
            <div class="grid divide-y divide-line">
                <form class="p-4 flex gap-4 flex-wrap items-center" method="post" action=action.clone()>
                    <p class="flex-1 min-w-56 text-ink2">{approve}</p>
                    <button class="btn btn-primary" name="decision" value="approve">{t::staff::approve()}</button>
                </form>
                <form class="p-4 grid gap-4 max-w-xl" method="post" action=action>
                    <div class="field">
                        <label for="preset">{t::staff::preset()}</label>
                        <select class="select" id="preset" name="preset">
                            {presets.into_iter().map(option).collect_view()}
                            <option value="">{t::staff::preset_other()}</option>
                        </select>
                    </div>
                    <div class="field" class:err=is_wrong>
                        <label for="reason">{t::staff::reason()}</label>
                        <textarea class="textarea" id="reason" name="reason" rows="3" maxlength="400" aria-describedby="reason-note">
                            {typed}
                        </textarea>
                        <span class=if is_wrong { "errtext" } else { "hint" } id="reason-note">{note}</span>
                    </div>
                    <div><button class="btn btn-danger" name="decision" value="reject">{t::staff::reject()}</button></div>
                </form>
            </div>
        </Card>
    }
    .into_any()
}
