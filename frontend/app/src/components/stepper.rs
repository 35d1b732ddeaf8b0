//! Steps of a longer task.

use leptos::prelude::*;

use super::Icon;
use crate::t;

/// The steps, of which those before `now` (counted from 0) are done.
#[component]
pub(crate) fn Stepper(steps: Vec<String>, now: usize) -> AnyView {
    let step = |(index, name): (usize, String)| {
        let (class, done) = match index.cmp(&now) {
            std::cmp::Ordering::Less => ("done", true),
            std::cmp::Ordering::Equal => ("now", false),
            std::cmp::Ordering::Greater => ("", false),
        };
        let mark = if done { view! { <Icon name="check" size="s"/> }.into_any() } else { (index + 1).into_any() };
        view! { <li class=class aria-current=(index == now).then_some("step")><b>{mark}</b><span>{name}</span></li> }
    };
    view! { <ol class="steps" aria-label=t::site::progress()>{steps.into_iter().enumerate().map(step).collect_view()}</ol> }
    .into_any()
}
