//! What must be set on the platform, each with a button that copies it.

use kamiflow_domain::connection_routes::{NEEDED, TOPICS};
use leptos::prelude::*;

use crate::components::{Card, href};
use crate::islands::CopyButton;
use crate::t;

/// Callback address, white list, interfaces and topics.
#[component]
pub(super) fn PlatformSettings(callback: String) -> AnyView {
    let apis: Vec<&str> = NEEDED.iter().map(|(api, _)| *api).collect();
    view! {
        <Card title=t::connect::settings()>
            <div class="p-4 grid gap-5">
                <p class="text-sm text-ink2 leading-6">{t::connect::settings_text()}</p>
                <Setting name=t::connect::callback() text=callback hint=t::connect::callback_hint()/>
                <Setting name=t::connect::interfaces() text=apis.join("\n") hint=t::connect::interfaces_hint()/>
                <Setting name=t::connect::topics() text=TOPICS.join("\n") hint=t::connect::topics_hint()/>
                <div class="grid gap-1">
                    <h3 class="lab">{t::connect::white_list()}</h3>
                    <p class="sub">{t::connect::white_list_text()}</p>
                </div>
            </div>
        </Card>
    }
    .into_any()
}

#[component]
fn Setting(name: &'static str, text: String, hint: &'static str) -> AnyView {
    let lines: Vec<AnyView> = text.lines().map(|line| view! { <li>{line.to_owned()}</li> }.into_any()).collect();
    view! {
        <div class="grid gap-1.5">
            <div class="flex gap-2 items-center justify-between">
                <h3 class="lab">{name}</h3>
                <CopyButton text=text label=t::site::copy().to_owned() done=t::site::copied().to_owned() icon=href("copy")/>
            </div>
            <ul class="mono text-xs bg-canvas rounded-lg px-3 py-2 max-h-40 overflow-y-auto" tabindex="0" aria-label=name>{lines}</ul>
            <p class="sub">{hint}</p>
        </div>
    }
    .into_any()
}
