//! What the holder of a mall's main account sees, on whatever phone, and what comes back from the platform.

use kamiflow_domain::authorization_link::OpenedLink;
use leptos::prelude::*;

use super::console::ToPlatform;
use crate::components::{Banner, FormError, Icon, Submit, Tone};
use crate::document::PageTitle;
use crate::layouts::AccountLayout;
use crate::views::connect::{self, LinkRefused, NotTaken};
use crate::{context, format, t};

/// `/authorize/{token}`: who asks for what. Opening it uses nothing up; the button does.
#[component]
pub(crate) fn AuthorizeByLink() -> AnyView {
    let Some(data) = context::data::<connect::ByLink>() else { return ().into_any() };
    let content = match &data.opened {
        Ok(opened) => asked(&data, opened),
        Err(refused) => {
            context::answer_with(410);
            let words = match refused {
                LinkRefused::Invalid => t::connect::link_invalid(),
                LinkRefused::Expired => t::connect::link_expired(),
                LinkRefused::Used => t::connect::link_used(),
            };
            view! { <Banner tone=Tone::Exception icon="circle-x">{words}</Banner> }.into_any()
        }
    };
    view! {
        <PageTitle name=t::connect::link_title()/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{t::connect::link_title()}</h1>
                <FormError/>
                {content}
            </div>
        </AccountLayout>
    }
    .into_any()
}

fn asked(data: &connect::ByLink, opened: &OpenedLink) -> AnyView {
    let outcome = context::page().outcome.clone().unwrap_or_default();
    let mall = match &opened.mall {
        Some((number, name)) => t::connect::link_mall(name, number),
        None => t::connect::link_any_mall().to_owned(),
    };
    let act = match outcome.value("begun") {
        Some(begun) => view! { <ToPlatform address=data.address.clone() begun=begun.to_owned()/> }.into_any(),
        None => {
            let action = format!("/authorize/{}", data.token);
            view! {
                <form method="post" action=action>
                    <Submit class="lg w-full"><Icon name="key-round"/>{t::connect::link_begin()}</Submit>
                </form>
            }
            .into_any()
        }
    };
    view! {
        <p class="text-ink2 leading-6">{t::connect::link_text(&opened.merchant_name)}</p>
        <p class="card p-4 font-medium">{mall}</p>
        {act}
        <p class="sub">{t::connect::link_until(format::moment(opened.expires_at))}</p>
        <p class="sub">{t::connect::link_safe()}</p>
    }
    .into_any()
}

/// `/console/shops/callback`: where the platform sends browsers, when there is something to say.
#[component]
pub(crate) fn CameBack() -> AnyView {
    let Some(data) = context::data::<connect::CameBack>() else { return ().into_any() };
    let (title, banner) = match &data.not_taken {
        None => {
            let done =
                view! { <Banner tone=Tone::Delivered icon="circle-check">{t::connect::link_done_text()}</Banner> };
            (t::connect::link_done(), done.into_any())
        }
        Some(why) => {
            context::answer_with(409);
            let words = words(why);
            (
                t::connect::not_taken(),
                view! { <Banner tone=Tone::Exception icon="circle-x">{words}</Banner> }.into_any(),
            )
        }
    };
    let again = (data.is_member && data.not_taken.is_some())
        .then(|| view! { <p><a class="lnk" href="/console/shops">{t::connect::begin_again()}</a></p> });
    view! {
        <PageTitle name=title/>
        <AccountLayout>
            <div class="w-full max-w-sm grid gap-4">
                <h1 class="text-2xl font-semibold">{title}</h1>
                {banner}
                {again}
            </div>
        </AccountLayout>
    }
    .into_any()
}

fn words(why: &NotTaken) -> String {
    match why {
        NotTaken::Incomplete => t::connect::not_incomplete().to_owned(),
        NotTaken::Unknown => t::connect::not_unknown().to_owned(),
        NotTaken::OtherSession => t::connect::not_session().to_owned(),
        NotTaken::Used => t::connect::not_used().to_owned(),
        NotTaken::Late => t::connect::not_late().to_owned(),
        NotTaken::TakeOverAsked(mall) => t::connect::not_elsewhere(mall),
        NotTaken::OtherMall { expected, given } => t::connect::not_other_mall(given, expected),
        NotTaken::Forbidden => t::connect::not_permitted().to_owned(),
        NotTaken::Refused => t::connect::not_platform().to_owned(),
    }
}
