//! `/console/shops/{shop}/keys`: another secret for the merchant's own application.

use leptos::prelude::*;

use crate::components::{Card, Icon, Look, PasswordField, ProofFirst, Submit};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::shops;
use crate::{context, t};

/// Asks for the new secret only: another application is connected by the wizard.
#[component]
pub(crate) fn ExchangeSecret() -> AnyView {
    let Some(data) = context::data::<shops::SecretExchange>() else { return ().into_any() };
    let shop = data.shop.summary.clone();
    let page = format!("/console/shops/{}", shop.shop);
    let action = format!("{page}/keys");
    view! {
        <ConsolePage section=Section::Shops title=t::shops::rotate() context=shop.name.clone()>
            <Card title=t::shops::rotate() class="max-w-xl">
                <div class="p-4 grid gap-4">
                    <p class="text-sm text-ink2 leading-6">{t::shops::rotate_text()}</p>
                    <dl class="flex gap-3 text-sm"><dt class="text-ink2">{t::connect::client_id()}</dt><dd class="mask">{data.shop.application.masked_client_id.clone()}</dd></dl>
                    <ProofFirst/>
                    <form class="grid gap-4" method="post" action=action>
                        <PasswordField name="client_secret" label=t::shops::new_secret() hint=t::shops::new_secret_hint() autocomplete="off"/>
                        <div class="flex justify-end gap-2 flex-wrap">
                            <a class=Look::Quiet.class() href=page>{t::site::cancel()}</a>
                            <Submit><Icon name="key-round"/>{t::shops::prove_secret()}</Submit>
                        </div>
                    </form>
                </div>
            </Card>
        </ConsolePage>
    }
    .into_any()
}
