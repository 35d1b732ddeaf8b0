//! `/console/rules`: when a delivered order is declared used.

use kamiflow_domain::redemption_presets::RuleSummary;
use kamiflow_domain::redemption_rules::Preset;
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Badge, Banner, Card, Submit, Tone};
use crate::layouts::Section;
use crate::views::rules::Rules as Data;
use crate::{context, t};

/// Three ready-made rules to choose from, below those of the merchant's own.
#[component]
pub(crate) fn Rules() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let chosen = data.rules.iter().filter(|rule| rule.enabled).find_map(|rule| rule.preset);
    let own: Vec<_> = data.rules.iter().filter(|rule| rule.preset.is_none()).map(own_rule).collect();
    let choice = |value: &'static str, name: &'static str, text: &'static str, checked: bool| {
        view! {
            <label class="flex gap-3 p-3 rounded-lg border border-line">
                <input type="radio" class="radio radio-primary radio-xs mt-1" name="rule" value=value required=true checked=checked/>
                <span class="min-w-0"><span class="block font-medium">{name}</span><span class="block text-sm text-ink2 leading-6">{text}</span></span>
            </label>
        }
    };
    let presets = Preset::ALL.iter().map(|preset| {
        let (name, text) = words(*preset);
        choice(preset.as_str(), name, text, chosen == Some(*preset))
    });
    let presets = presets.collect_view();
    view! {
        <ConsolePage section=Section::Products title=t::rules::title() context=t::rules::context()>
            {(!own.is_empty()).then(|| view! {
                <Card title=t::rules::own() context=t::rules::own_context()>
                    <ol class="divide-y divide-line">{own}</ol>
                </Card>
            })}
            <Card title=t::rules::choose() class="max-w-xl">
                <form class="p-4 grid gap-3" method="post" action="/console/rules">
                    {presets}
                    {choice("none", t::rules::none(), t::rules::none_text(), chosen.is_none())}
                    <Banner tone=Tone::Waiting icon="info">{t::rules::safe()}</Banner>
                    <div><Submit>{t::rules::save()}</Submit></div>
                </form>
            </Card>
        </ConsolePage>
    }
    .into_any()
}

fn own_rule(rule: &RuleSummary) -> impl IntoView + use<> {
    let state = if rule.enabled {
        view! { <Badge tone=Tone::Delivered icon="check">{t::rules::on()}</Badge> }
    } else {
        view! { <Badge tone=Tone::Closed>{t::rules::off()}</Badge> }
    };
    view! { <li class="flex gap-3 items-center px-4 py-3"><span class="flex-1 min-w-0 truncate">{rule.name.clone()}</span>{state}</li> }
}

fn words(preset: Preset) -> (&'static str, &'static str) {
    match preset {
        Preset::Immediately => (t::rules::immediately(), t::rules::immediately_text()),
        Preset::DayAfterDelivery => (t::rules::day_after(), t::rules::day_after_text()),
        Preset::AfterReceipt => (t::rules::after_receipt(), t::rules::after_receipt_text()),
    }
}
