//! The frame of forms about accounts: what awaits whoever signs in, and the form.

use leptos::prelude::*;

use crate::components::{LanguageSwitch, Logo, Spark, ThemeSwitch};
use crate::t;

/// Last night's deliveries per hour in the example, going down and up again.
const NIGHT: [f64; 12] = [31.0, 28.0, 22.0, 17.0, 17.0, 12.0, 12.0, 17.0, 23.0, 34.0, 48.0, 61.0];

/// A picture at the left where there is room, the form at the right.
#[component]
pub(crate) fn AccountLayout(children: Children) -> AnyView {
    view! {
        <div class="min-h-dvh grid lg:grid-cols-[1fr_34rem]">
            <aside class="hidden lg:flex flex-col justify-between p-12 border-r border-line bg-raised glow">
                <Home size=30/>
                <div class="w-full max-w-lg mx-auto">
                    <p class="text-[2.25rem] font-semibold leading-[1.4]">
                        {t::accounts::promise_1()}<br/>{t::accounts::promise_2()}
                    </p>
                    <div class="card mt-8 p-4">
                        <div class="sub mb-3">{t::accounts::night()}</div>
                        <dl class="grid grid-cols-3 gap-4">
                            <Figure value=t::accounts::night_delivered_value() name=t::accounts::night_delivered()/>
                            <Figure value=t::accounts::night_time_value() name=t::accounts::night_time()/>
                            <Figure value=t::accounts::night_open_value() name=t::accounts::night_open()/>
                        </dl>
                        <div class="mt-3"><Spark points=NIGHT.to_vec()/></div>
                    </div>
                </div>
                <p class="sub"><a class="lnk" href="/status">{t::site::status()}</a></p>
            </aside>
            <main id="main" class="grid place-items-center content-center gap-6 px-6 py-10 bg-surface">
                <div class="w-full max-w-sm lg:hidden"><Home size=32/></div>
                {children()}
                <div class="flex gap-1"><LanguageSwitch/><ThemeSwitch/></div>
            </main>
        </div>
    }
    .into_any()
}

#[component]
fn Home(size: u16) -> AnyView {
    view! {
        <a class="inline-flex items-center gap-2.5 no-underline" href="/">
            <Logo size=size/>
            <b class="text-lg font-semibold tracking-wide">{t::site::name()}</b>
        </a>
    }
    .into_any()
}

#[component]
fn Figure(value: &'static str, name: &'static str) -> AnyView {
    view! {
        <div class="flex flex-col-reverse">
            <dt class="sub">{name}</dt>
            <dd class="text-xl font-semibold">{value}</dd>
        </div>
    }
    .into_any()
}
