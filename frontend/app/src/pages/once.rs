//! Secrets that are shown once.

use kamiflow_kernel::SecretText;
use leptos::prelude::*;

use crate::components::{Banner, Field, Look, NewPasswordField, Qr, Submit, Tone, href};
use crate::document::PageTitle;
use crate::islands::CopyButton;
use crate::layouts::AccountLayout;
use crate::views::once::Once;
use crate::{context, t};

/// The answer to a form that made a secret.
#[component]
pub(crate) fn OncePage() -> AnyView {
    let Some(once) = context::data::<Once>() else { return ().into_any() };
    let (title, text, body, back) = match &*once {
        Once::TotpSeed { text, url } => (
            t::once::totp_title(),
            t::once::totp_text(),
            seed((text, url), "/account/security/totp/confirm", None),
            "/account/security",
        ),
        Once::FirstSeed { seed: (text, url), action, token } => (
            t::once::totp_title(),
            t::once::totp_text(),
            seed((text, url), action, Some(token.expose().to_owned())),
            "",
        ),
        Once::RecoveryCodes(codes) => {
            (t::once::codes_title(), t::once::codes_text(), listed(codes), "/account/security")
        }
        Once::FirstCodes { codes, next } => (t::once::codes_title(), t::once::codes_text(), listed(codes), *next),
        Once::TemporaryPassword { login, password } => (
            t::once::password_title(),
            t::once::password_text(),
            view! { <p class="mono">{login.clone()}</p>{copied(password.expose().to_owned())} }.into_any(),
            "/console/team",
        ),
        Once::ApiToken(token) => {
            (t::once::api_title(), t::once::api_text(), copied(token.expose().to_owned()), "/console/api")
        }
        Once::InvitationLink(link) => {
            (t::once::link_title(), t::once::link_text(), pictured(link, t::once::link_title()), "/console/team")
        }
        Once::AuthorizationLink(link) => {
            let title = t::once::authorization_title();
            (title, t::once::authorization_text(), pictured(link, title), "/console/shops")
        }
    };
    // A generator is not added before its first code.
    let kept = if matches!(*once, Once::TotpSeed { .. }) { t::once::not_now() } else { t::once::kept() };
    view! {
        <PageTitle name=title/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{title}</h1>
                <p class="text-ink2 leading-6">{text}</p>
                {body}
                {(!back.is_empty()).then(|| view! { <a class=Look::Quiet.class() href=back>{kept}</a> })}
            </div>
        </AccountLayout>
    }
    .into_any()
}

/// A link to copy, and to scan with a phone.
fn pictured(link: &SecretText, label: &'static str) -> AnyView {
    let link = link.expose().to_owned();
    view! { <Qr text=link.clone() label=label/>{copied(link)} }.into_any()
}

fn listed(codes: &[SecretText]) -> AnyView {
    copied(codes.iter().map(SecretText::expose).collect::<Vec<_>>().join("\n"))
}

fn seed((text, url): (&SecretText, &SecretText), action: &'static str, token: Option<String>) -> AnyView {
    view! {
        <Qr text=url.expose().to_owned() label=t::once::totp_title()/>
        {copied(text.expose().to_owned())}
        <form class="grid gap-4" method="post" action=action>
            {token.map(|token| view! {
                <input type="hidden" name="token" value=token/>
                <NewPasswordField/>
            })}
            <Field name="code" label=t::once::first_code() autocomplete="one-time-code" max_length=10/>
            <Submit class="w-full">{t::once::confirm_code()}</Submit>
        </form>
    }
    .into_any()
}

fn copied(text: String) -> AnyView {
    view! {
        <div class="card p-3 flex gap-3 items-start">
            <pre class="mono text-sm flex-1 min-w-0 whitespace-pre-wrap wrap-anywhere">{text.clone()}</pre>
            <CopyButton text=text label=t::site::copy().to_owned() done=t::site::copied().to_owned() icon=href("copy")/>
        </div>
        <Banner tone=Tone::Review icon="eye">{t::once::only_once()}</Banner>
    }
    .into_any()
}
