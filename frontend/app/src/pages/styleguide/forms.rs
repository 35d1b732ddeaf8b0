//! Fields and dialogs.

use leptos::prelude::*;

use crate::components::{Card, Dialog, Field, Icon, Look, PasswordField, Tone, href};
use crate::islands::CopyButton;
use crate::t;

#[component]
pub(super) fn Fields() -> AnyView {
    view! {
        <Card title=t::styleguide::fields()>
            <form class="p-4 grid gap-4" action="/styleguide">
                <div class="grid sm:grid-cols-2 gap-4">
                    <Field name="merchant" label=t::accounts::merchant() hint=t::accounts::merchant_hint()/>
                    <div class="field err">
                        <label for="code">{t::styleguide::credit_code()}</label>
                        <input id="code" class="input" value="9133010MA2X4Y7K1" aria-invalid="true" aria-describedby="code-note"/>
                        <span class="errtext" id="code-note"><Icon name="circle-alert" size="s"/>{t::styleguide::credit_code_error()}</span>
                    </div>
                    <div class="field">
                        <label for="order">{t::styleguide::hand_out()}</label>
                        <select id="order" class="select"><option>{t::styleguide::hand_out_expiry()}</option></select>
                    </div>
                    <div class="field">
                        <label for="note">{t::styleguide::note()}</label>
                        <input id="note" class="input" disabled=true/>
                    </div>
                    <PasswordField name="secret" label=t::accounts::password() autocomplete="new-password"/>
                    <div class="field">
                        <span class="lab">{t::styleguide::callback()}</span>
                        <div class="flex gap-2 items-center flex-wrap">
                            <code class="mono">"/connect/callback"</code>
                            <CopyButton
                                text="/connect/callback".to_owned()
                                label=t::site::copy().to_owned()
                                done=t::site::copied().to_owned()
                                icon=href("copy")
                            />
                        </div>
                    </div>
                </div>
                <Choices/>
            </form>
        </Card>
    }
    .into_any()
}

#[component]
fn Choices() -> AnyView {
    view! {
        <div class="flex flex-wrap gap-5 text-sm items-center">
            <label class="flex gap-2 items-center min-h-6"><input type="checkbox" class="checkbox checkbox-primary" checked=true/>{t::styleguide::mail()}</label>
            <label class="flex gap-2 items-center min-h-6"><input type="checkbox" class="checkbox checkbox-primary"/>{t::styleguide::ding_talk()}</label>
            <label class="flex gap-2 items-center min-h-6"><input type="radio" name="when" class="radio radio-primary radio-xs" checked=true/>{t::styleguide::now()}</label>
            <label class="flex gap-2 items-center min-h-6"><input type="checkbox" class="toggle toggle-primary toggle-sm" checked=true/>{t::styleguide::auto_redeem()}</label>
            <div class="seg" role="group" aria-label=t::console::mode()>
                <button type="button" aria-pressed="true">{t::console::live()}</button>
                <button type="button" aria-pressed="false">{t::console::test()}</button>
            </div>
        </div>
    }
    .into_any()
}

#[component]
pub(super) fn Dialogs() -> AnyView {
    let typed = view! {
        <div class="field mt-3">
            <label for="confirm">{t::styleguide::type_to_confirm()}</label>
            <input id="confirm" class="input" value=t::styleguide::typed()/>
        </div>
    };
    let code = view! {
        <div class="field mt-3">
            <label for="totp">{t::styleguide::totp()}</label>
            <input id="totp" class="input mono" inputmode="numeric" autocomplete="one-time-code" value="482 915"/>
        </div>
    };
    view! {
        <Card title=t::styleguide::dialogs()>
            <div class="p-4 grid gap-4 justify-items-center">
                <Dialog inline=true id="send" tone=Tone::Brand icon="zap" question=t::styleguide::send_now() consequence=t::styleguide::send_now_consequence()>
                    <button class=Look::Primary.class()>{t::styleguide::send_now_act()}</button>
                </Dialog>
                <Dialog inline=true id="void" tone=Tone::Exception icon="trash-2" question=t::styleguide::void_question() consequence=t::styleguide::void_consequence() body=typed.into_any()>
                    <button class=Look::Irreversible.class() disabled=true>{t::styleguide::void_act()}</button>
                </Dialog>
                <Dialog inline=true id="sudo" tone=Tone::Brand icon="lock-keyhole" question=t::styleguide::sudo() consequence=t::styleguide::sudo_consequence() body=code.into_any()>
                    <button class=Look::Primary.class()>{t::styleguide::verify()}</button>
                </Dialog>
                <button type="button" class=Look::Quiet.class() command="show-modal" commandfor="modal">{t::styleguide::open_dialog()}</button>
                <Dialog id="modal" tone=Tone::Brand icon="zap" question=t::styleguide::send_now() consequence=t::styleguide::send_now_consequence()>
                    <button class=Look::Primary.class()>{t::styleguide::send_now_act()}</button>
                </Dialog>
            </div>
        </Card>
    }
    .into_any()
}
