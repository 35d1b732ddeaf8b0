//! Asks the browser for a passkey. The one page whose work a script must do: browsers have no other door to a passkey.

use leptos::nonce::use_nonce;
use leptos::prelude::*;

use crate::components::{Banner, Field, Submit, Tone};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::passkey::{Passkey, PasskeyAct};
use crate::{context, t};

/// The answer to the form that asked for a question. `frontend/style/passkey.js` fills the hidden field and sends the form.
#[component]
pub(crate) fn PasskeyPage() -> AnyView {
    let Some(data) = context::data::<Passkey>() else { return ().into_any() };
    let (act, action, back, text) = match data.act {
        PasskeyAct::Add => ("create", "/account/security/passkey/answer", "/account/security", t::passkey::add_text()),
        PasskeyAct::LogIn => ("get", "/log-in/second-step/passkey/answer", "/log-in", t::passkey::ask_text()),
        PasskeyAct::Prove => ("get", "/account/sudo/passkey/answer", "/account/sudo", t::passkey::ask_text()),
    };
    let title = if data.act == PasskeyAct::Add { t::passkey::add_title() } else { t::passkey::ask_title() };
    let name = (data.act == PasskeyAct::Add).then(|| {
        view! { <Field name="name" label=t::passkey::name() hint=t::passkey::name_hint() max_length=40/> }
    });
    let token = data.token.expose().to_owned();
    view! {
        <PageTitle name=title/>
        <AccountLayout>
            <form id="passkey" class="w-full max-w-sm grid gap-4" method="post" action=action data-act=act data-options=data.options.clone()>
                <div>
                    <h1 class="text-2xl font-semibold">{title}</h1>
                    <p class="text-ink2 mt-1 leading-6">{text}</p>
                </div>
                <noscript><Banner tone=Tone::Review icon="circle-alert">{t::passkey::no_scripts()}</Banner></noscript>
                <Said what="unsupported">{t::passkey::unsupported()}</Said>
                <Said what="known">{t::passkey::known()}</Said>
                <Said what="failed">{t::passkey::failed()}</Said>
                <input type="hidden" name="token" value=token/>
                <input type="hidden" name="next" value=data.next.clone()/>
                <input type="hidden" name="credential"/>
                {name}
                <Submit class="lg w-full" disabled=true>{t::passkey::go_on()}</Submit>
                <p class="sub"><a class="lnk" href=back>{t::passkey::otherwise()}</a></p>
            </form>
            <script type="module" src=context::page().assets.passkey.clone() nonce=use_nonce()></script>
        </AccountLayout>
    }
    .into_any()
}

/// What the script shows when it went wrong.
#[component]
fn Said(what: &'static str, children: Children) -> AnyView {
    view! { <div data-says=what hidden=true><Banner tone=Tone::Exception icon="circle-alert">{children()}</Banner></div> }
        .into_any()
}
