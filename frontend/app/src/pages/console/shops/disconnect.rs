//! `/console/shops/{shop}/disconnect`: the question, on a page of its own, so that it is asked by every browser.

use leptos::prelude::*;

use super::count;
use crate::components::{Icon, Look, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::shops;
use crate::{context, t};

/// Asks, and says what stays and what does not.
#[component]
pub(crate) fn DisconnectShop() -> AnyView {
    let Some(data) = context::data::<shops::Disconnection>() else { return ().into_any() };
    let shop = data.shop.summary.clone();
    let page = format!("/console/shops/{}", shop.shop);
    let waiting = data.shop.life.as_ref().map(|life| count(life.waiting)).unwrap_or_default();
    let action = format!("{page}/disconnect");
    let line = |icon: &'static str, tone: Tone, text: String| {
        view! { <li class=format!("flex gap-2 {}", tone.class())><span class="solid tick"><Icon name=icon/></span><span>{text}</span></li> }
    };
    view! {
        <ConsolePage section=Section::Shops title=t::shops::disconnect() context=shop.name.clone()>
            <section class="dlg p-5 w-full max-w-xl" aria-labelledby="question">
                <div class=format!("flex gap-3 {}", Tone::Exception.class())>
                    <span class="disc big"><Icon name="plug-zap" size="l"/></span>
                    <div class="min-w-0 flex-1">
                        <h2 id="question" class="font-semibold text-md">{t::shops::disconnect_question(&shop.name)}</h2>
                        <ul class="grid gap-2 mt-3 text-ink2 leading-6">
                            {line("circle-x", Tone::Exception, t::shops::disconnect_waiting(waiting))}
                            {line("circle-x", Tone::Exception, t::shops::disconnect_stops().to_owned())}
                            {line("circle-check", Tone::Delivered, t::shops::disconnect_stays().to_owned())}
                            {line("circle-check", Tone::Delivered, t::shops::disconnect_again().to_owned())}
                        </ul>
                    </div>
                </div>
                <form class="flex justify-end gap-2 mt-5 flex-wrap" method="post" action=action>
                    <a class=Look::Quiet.class() href=page>{t::site::cancel()}</a>
                    <Submit look=Look::Irreversible>{t::shops::disconnect()}</Submit>
                </form>
            </section>
        </ConsolePage>
    }
    .into_any()
}
