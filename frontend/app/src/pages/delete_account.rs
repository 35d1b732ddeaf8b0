//! `/account/delete`: what follows, what has to be done before, and the address typed once more.

use leptos::prelude::*;

use crate::components::{Banner, Field, FormError, Icon, Look, Notice, ProofFirst, Submit, Tone};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::account::{Deletion, Orphan};
use crate::{context, t};

/// The question before an account is deleted.
#[component]
pub(crate) fn DeleteAccount() -> AnyView {
    let Some(data) = context::data::<Deletion>() else { return ().into_any() };
    let body = if data.is_sub_account {
        view! { <Banner tone=Tone::Review icon="circle-alert">{t::errors::account_sub()}</Banner> }.into_any()
    } else if data.orphans.is_empty() {
        question(&data.login)
    } else {
        before(&data.orphans)
    };
    view! {
        <PageTitle name=t::delete::title()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{t::delete::title()}</h1>
                <Notice/>
                <FormError/>
                {body}
                <a class="lnk text-xs gap-1 justify-self-start" href="/account/security">
                    <Icon name="chevron-left" size="s"/>{t::console::security()}
                </a>
            </div>
        </AccountLayout>
    }
    .into_any()
}

/// What follows, and the form.
fn question(login: &str) -> AnyView {
    let line = |text: &'static str| {
        view! {
            <li class=format!("flex gap-2 {}", Tone::Exception.class())>
                <span class="solid tick"><Icon name="circle-x"/></span><span>{text}</span>
            </li>
        }
    };
    view! {
        <ul class="grid gap-2 text-ink2 leading-6 text-sm">
            {line(t::delete::ends())}
            {line(t::delete::leaves())}
            {line(t::delete::forgets())}
        </ul>
        <p class="text-ink2 leading-6 text-sm">{t::delete::keeps()}</p>
        <ProofFirst/>
        <form class="grid gap-4" method="post" action="/account/delete">
            <Field name="login" label=t::delete::type_address(login) autocomplete="off" max_length=254/>
            <Submit look=Look::Irreversible class="w-full">{t::delete::act()}</Submit>
        </form>
    }
    .into_any()
}

/// Which merchants would be left without an owner, and what to do about each.
fn before(orphans: &[Orphan]) -> AnyView {
    view! {
        <Banner tone=Tone::Review icon="triangle-alert">{t::delete::orphans()}</Banner>
        <ul class="card divide-y divide-line">{orphans.iter().map(orphan).collect_view()}</ul>
    }
    .into_any()
}

fn orphan(orphan: &Orphan) -> impl IntoView + use<> {
    let live = (!orphan.live.is_empty()).then(|| {
        view! { <p class="sub text-bad">{t::delete::live(orphan.live.join(t::delete::comma()))}</p> }
    });
    let acts = if orphan.is_present {
        view! {
            <a class="lnk" href="/console/team">{t::delete::hand_over()}</a>
            <a class="lnk" href="/console/merchant">{t::merchant::close()}</a>
        }
        .into_any()
    } else {
        view! { <a class="lnk" href="/account/merchants">{t::delete::switch_first()}</a> }.into_any()
    };
    view! {
        <li class="grid gap-1 px-4 py-3">
            <div class="font-medium truncate">{orphan.name.clone()}</div>
            {live}
            <div class="flex gap-4 flex-wrap">{acts}</div>
        </li>
    }
}
