//! What must be set on the platform, each with a button that copies it.

use std::net::IpAddr;

use kamiflow_domain::connection_routes::{PACKAGES, TOPICS, unpackaged};
use leptos::prelude::*;

use crate::components::{Card, href};
use crate::islands::CopyButton;
use crate::t;
use crate::views::connect::PlatformAddress;

/// Callback address, white list, packages, interfaces and topics.
#[component]
pub(super) fn PlatformSettings(address: PlatformAddress) -> AnyView {
    let packages: Vec<&str> = PACKAGES.iter().map(|package| package.name).collect();
    let interfaces: Vec<&str> = unpackaged().collect();
    let by_type: Vec<AnyView> = PACKAGES
        .iter()
        .filter_map(|package| package.only_for.map(|only| (package.name, only)))
        .map(|(name, only)| view! { <p class="sub">{t::connect::package_only_for(name, only)}</p> }.into_any())
        .collect();
    view! {
        <Card title=t::connect::settings()>
            <div class="p-4 grid gap-5">
                <p class="text-sm text-ink2 leading-6">{t::connect::settings_text()}</p>
                <Setting name=t::connect::callback() text=address.callback hint=t::connect::callback_hint()/>
                {white_list(&address.egress_ips)}
                <div class="grid gap-1">
                    <Setting name=t::connect::packages() text=packages.join("\n") hint=t::connect::packages_hint()/>
                    {by_type}
                </div>
                <Setting name=t::connect::interfaces() text=interfaces.join("\n") hint=t::connect::interfaces_hint()/>
                <Setting name=t::connect::topics() text=TOPICS.join("\n") hint=t::connect::topics_hint()/>
            </div>
        </Card>
    }
    .into_any()
}

/// Our outbound addresses, or whom to ask for them.
fn white_list(ips: &[IpAddr]) -> AnyView {
    if ips.is_empty() {
        return view! {
            <div class="grid gap-1">
                <h3 class="lab">{t::connect::white_list()}</h3>
                <p class="sub">{t::connect::white_list_ask()}</p>
            </div>
        }
        .into_any();
    }
    let lines: Vec<String> = ips.iter().map(IpAddr::to_string).collect();
    view! { <Setting name=t::connect::white_list() text=lines.join("\n") hint=t::connect::white_list_hint()/> }
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
