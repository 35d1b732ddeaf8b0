//! Pre-flight lists: what passes is quiet, what fails has the one button that cures it.

use leptos::prelude::*;

use super::{Icon, Look, Tone};
use crate::t;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Fine.
    Pass,
    /// Somebody else is at it.
    Pending,
    /// Works, but not for long.
    Warning,
    /// Stops the shop.
    Blocked,
}

impl Verdict {
    fn parts(self) -> (Tone, &'static str, &'static str) {
        match self {
            Self::Pass => (Tone::Delivered, "circle-check", t::site::check_passed()),
            Self::Pending => (Tone::Waiting, "clock", t::site::check_pending()),
            Self::Warning => (Tone::Review, "triangle-alert", t::site::check_warning()),
            Self::Blocked => (Tone::Exception, "circle-x", t::site::check_blocked()),
        }
    }
}

/// One check.
pub(crate) struct Check {
    /// How it ended.
    pub(crate) verdict: Verdict,
    /// What was checked.
    pub(crate) subject: String,
    /// What was found.
    pub(crate) finding: String,
    /// Where the cure is, and what it is called.
    pub(crate) cure: Option<(String, String)>,
}

/// The checks, under a line that counts what blocks.
#[component]
pub(crate) fn Preflight(checks: Vec<Check>) -> AnyView {
    let count = |verdict| checks.iter().filter(|check| check.verdict == verdict).count();
    let blocked = u64::try_from(count(Verdict::Blocked)).unwrap_or(u64::MAX);
    let tone = if blocked == 0 { Tone::Delivered } else { Tone::Review };
    let summary =
        if blocked == 0 { t::site::preflight_ready().to_owned() } else { t::site::preflight_blocked(blocked) };
    let passed = t::site::preflight_passed(count(Verdict::Pass), checks.len());
    view! {
        <div class=format!("px-4 py-3 flex items-center gap-3 border-b border-line ground {}", tone.class())>
            <b class="font-semibold flex-1">{summary}</b>
            <span class="text-sm font-medium">{passed}</span>
        </div>
        <ul class="divide-y divide-line">{checks.into_iter().map(row).collect_view()}</ul>
    }
    .into_any()
}

fn row(check: Check) -> impl IntoView {
    let (tone, icon, word) = check.verdict.parts();
    let look = if check.verdict == Verdict::Blocked { Look::Primary } else { Look::Quiet };
    view! {
        <li class=format!("flex items-center gap-3 px-4 py-3 {}", tone.class())>
            <span class="solid"><Icon name=icon size="l"/><span class="sr-only">{word}</span></span>
            <div class="min-w-0 flex-1 grid sm:grid-cols-[8rem_1fr] gap-x-4 items-center">
                <span class="font-medium">{check.subject}</span>
                <span class="text-sm text-ink2">{check.finding}</span>
            </div>
            {check.cure.map(|(href, label)| view! { <a class=format!("{} sm", look.class()) href=href>{label}</a> })}
        </li>
    }
}
