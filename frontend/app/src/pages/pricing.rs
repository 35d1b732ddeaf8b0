//! `/pricing`: what a month costs, from the one table of plans.

use leptos::prelude::*;

use crate::components::{Badge, Icon, Look, Tone};
use crate::document::PageTitle;
use crate::layouts::PublicLayout;
use crate::plans::{PLANS, Plan};
use crate::{format, t};

/// The plans side by side.
#[component]
pub(crate) fn Pricing() -> AnyView {
    let everywhere = |words: &'static str| {
        view! { <li class="flex gap-2"><span class="text-ok tick"><Icon name="check" size="s"/></span><span>{words}</span></li> }
    };
    view! {
        <PageTitle name=t::site::pricing()/>
        <PublicLayout>
            <section class="wide py-14">
                <h1 class="text-3xl font-semibold">{t::pricing::title()}</h1>
                <p class="text-ink2 mt-2 leading-6 max-w-[44em]">{t::pricing::lead()}</p>
                <div class="grid md:grid-cols-3 gap-4 mt-8">{PLANS.iter().map(plan).collect_view()}</div>
                <h2 class="text-xl font-semibold mt-12">{t::pricing::everywhere()}</h2>
                <ul class="grid sm:grid-cols-2 gap-x-10 gap-y-2.5 mt-4 text-ink2 leading-6">
                    {everywhere(t::pricing::all_1())}{everywhere(t::pricing::all_2())}{everywhere(t::pricing::all_3())}
                    {everywhere(t::pricing::all_4())}{everywhere(t::pricing::all_5())}{everywhere(t::pricing::all_6())}
                </ul>
                <p class="text-ink2 mt-4 leading-6">{t::pricing::coming()}</p>
                <p class="sub mt-8">{t::pricing::fine_print()}</p>
            </section>
        </PublicLayout>
    }
    .into_any()
}

fn plan(plan: &Plan) -> impl IntoView + use<> {
    let (name, for_whom) = match plan.code {
        "starter" => (t::pricing::starter(), t::pricing::starter_for()),
        "standard" => (t::pricing::standard(), t::pricing::standard_for()),
        _ => (t::pricing::scale(), t::pricing::scale_for()),
    };
    let is_usual = plan.code == "standard";
    let look = if is_usual { Look::Primary } else { Look::Quiet };
    let limit = |words: String| view! { <li class="flex gap-2"><span class="text-ok tick"><Icon name="check" size="s"/></span>{words}</li> };
    view! {
        <section class="card p-5 flex flex-col" class:chosen=is_usual>
            <div class="flex items-center gap-2">
                <h2 class="font-semibold text-md">{name}</h2>
                {is_usual.then(|| view! { <Badge tone=Tone::Brand>{t::pricing::usual()}</Badge> })}
            </div>
            <p class="text-ink2 text-sm mt-0.5">{for_whom}</p>
            <p class="mt-4"><span class="text-3xl font-semibold">{yuan(plan.monthly_fen)}</span>" "<span class="sub">{t::pricing::per_month()}</span></p>
            <ul class="grid gap-2 mt-4 mb-6 text-sm">
                {limit(t::pricing::shops(u64::from(plan.shops)))}
                {limit(t::pricing::orders(format::count(u64::from(plan.orders))))}
                {limit(t::pricing::members(u64::from(plan.members)))}
            </ul>
            <a class=format!("{} mt-auto", look.class()) href="/sign-up">{t::site::start()}</a>
        </section>
    }
}

/// Writes fen as money; a plan's price has no odd fen, so two decimals would only be noise.
fn yuan(fen: u32) -> String {
    format!("¥{}", format::count(u64::from(fen / 100)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_price_is_shown_in_yuan() {
        assert_eq!(yuan(39_900), "¥399");
        assert_eq!(yuan(0), "¥0");
    }
}
