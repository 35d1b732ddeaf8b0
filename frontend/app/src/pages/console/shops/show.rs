//! `/console/shops/{shop}`: state, pre-flight, connection, pause.

use chrono::{DateTime, Utc};
use kamiflow_domain::connection_tokens::TokenLife;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_domain::pause::PauseScope;
use kamiflow_domain::show_shop::{ApplicationView, ShopView};
use kamiflow_kernel::{Permission, ReasonCode, ShopId, ShopState};
use leptos::prelude::*;

use super::{checks, life_badge, outside_banner};
use crate::components::{Badge, Banner, Card, Icon, Look, Moment, Preflight, Submit, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::pages::console::overview::ShopBadges;
use crate::pages::console::pauses::{PauseBanners, PauseCard};
use crate::views::pauses::PauseTarget;
use crate::views::shops;
use crate::{context, format, t};

/// One shop.
#[component]
pub(crate) fn Shop() -> AnyView {
    let Some(data) = context::data::<shops::ShopPage>() else { return ().into_any() };
    let shop = data.shop.clone();
    let id = shop.summary.shop;
    // Those of the merchant stand above every page.
    let pauses: Vec<_> = shop.pauses.iter().filter(|line| line.scope == PauseScope::Shop(id)).cloned().collect();
    let is_connected = shop.summary.state != ShopState::Disconnected;
    let preflight = data.preflight.as_ref().map(|report| checks::rows(id, report));
    let may_pause = data.may(Permission::Pause);
    let target = PauseTarget { scope: PauseScope::Shop(id), target: id.to_string(), name: shop.summary.name.clone() };
    let may_manage = data.may(Permission::ManageShops) && is_connected;
    view! {
        <ConsolePage
            section=Section::Shops
            title=shop.summary.name.clone()
            context=t::shops::mall_context(shop.summary.mall.0, format::moment(shop.summary.connected_at))
            acts=acts(&data)
        >
            <State shop=shop.summary.clone() may_manage=may_manage/>
            {data.outside.as_ref().map(outside_banner)}
            <PauseBanners lines=pauses.clone()/>
            <div class="grid xl:grid-cols-[minmax(0,1fr)_20rem] gap-4 items-start">
                <div class="grid gap-4 min-w-0">
                    {preflight.map(|checks| view! {
                        <Card title=t::shops::preflight() context=t::shops::preflight_context() class="overflow-hidden">
                            <Preflight checks=checks/>
                        </Card>
                    })}
                    {(!is_connected).then(|| view! {
                        <Card title=t::shops::history()><p class="p-4 text-ink2 leading-6">{t::shops::history_text()}</p></Card>
                    })}
                </div>
                <div class="grid gap-4 min-w-0">
                    <Connection shop=shop.clone() now=data.now may_manage=may_manage/>
                    {(may_pause && is_connected).then(|| view! { <PauseCard target=target.clone() lines=pauses.clone()/> })}
                    {may_manage.then(|| view! { <Leave shop=id/> })}
                </div>
            </div>
        </ConsolePage>
    }
    .into_any()
}

fn acts(data: &shops::ShopPage) -> AnyView {
    let shop = &data.shop.summary;
    let id = shop.shop;
    let is_working = matches!(shop.state, ShopState::Live | ShopState::TrialRun);
    let buy = (shop.is_sandbox() && is_working && data.may(Permission::HandleOrders)).then(|| {
        let look = if shop.state == ShopState::Live { Look::Primary } else { Look::Quiet };
        view! {
            <form method="post" action=format!("/console/shops/{id}/buyer")>
                <Submit look=look><Icon name="receipt-text"/>{t::overview::buy()}</Submit>
            </form>
        }
    });
    let trial = (shop.state == ShopState::TrialRun).then(|| {
        view! { <a class=Look::Primary.class() href=format!("/console/shops/{id}/trial")><Icon name="eye"/>{t::shops::to_trial()}</a> }
    });
    let back = (shop.state == ShopState::Live && data.may(Permission::GoLive)).then(|| {
        view! {
            <form method="post" action=format!("/console/shops/{id}/trial")>
                <Submit look=Look::Quiet><Icon name="eye"/>{t::shops::back_to_trial()}</Submit>
            </form>
        }
    });
    view! {
        <ShopBadges shop=shop.clone()/>
        {back}{buy}{trial}
    }
    .into_any()
}

/// Where the shop is, in a sentence, with what to do about it.
#[component]
fn State(shop: ShopSummary, may_manage: bool) -> AnyView {
    let id = shop.shop;
    match shop.state {
        ShopState::Live => {
            let since = shop.deliver_from.map(format::moment).unwrap_or_default();
            view! { <Banner tone=Tone::Delivered icon="radio" lead=t::shops::live_lead()>{t::shops::live_text(since)}</Banner> }.into_any()
        }
        ShopState::TrialRun => {
            let act = (format!("/console/shops/{id}/trial"), t::shops::to_trial().to_owned());
            view! { <Banner tone=Tone::Waiting icon="eye" lead=t::shops::trial_lead() act=act>{t::shops::trial_text()}</Banner> }.into_any()
        }
        ShopState::Disconnected => {
            view! { <Banner tone=Tone::Closed icon="circle-slash" lead=t::shops::disconnected_lead()>{t::shops::disconnected_text()}</Banner> }.into_any()
        }
        ShopState::Stopped => stopped(&shop, may_manage),
    }
}

fn stopped(shop: &ShopSummary, may_manage: bool) -> AnyView {
    let reason: Option<ReasonCode> = shop.stop_reason.as_deref().and_then(|code| code.parse().ok());
    let authorize = || (format!("/console/shops/authorize?shop={}", shop.shop), t::shops::reauthorize().to_owned());
    let (why, act) = match reason {
        Some(ReasonCode::ReauthorizationNeeded) => (t::shops::stopped_authorization(), Some(authorize())),
        Some(ReasonCode::VerificationNeeded) => (
            t::shops::stopped_verification(),
            Some(("/console/verification".to_owned(), t::preflight::verify().to_owned())),
        ),
        Some(ReasonCode::StoppedByPlatform) => (t::shops::stopped_platform(), None),
        _ => (t::shops::stopped_text(), None),
    };
    match act.filter(|_| may_manage) {
        Some(act) => view! { <Banner tone=Tone::Exception icon="triangle-alert" lead=t::shops::stopped_lead() act=act>{why}</Banner> }.into_any(),
        None => view! { <Banner tone=Tone::Exception icon="triangle-alert" lead=t::shops::stopped_lead()>{why}</Banner> }.into_any(),
    }
}

/// What the shop is connected through, and for how long.
#[component]
fn Connection(shop: ShopView, now: DateTime<Utc>, may_manage: bool) -> AnyView {
    let id = shop.summary.shop;
    let application = shop.application.clone();
    let renew = may_manage.then(|| {
        view! { <a class=format!("{} w-full", Look::Quiet.class()) href=format!("/console/shops/authorize?shop={id}")><Icon name="key-round"/>{t::shops::reauthorize()}</a> }
    });
    let rotate = (may_manage && !application.is_hosted).then(|| {
        view! { <a class="lnk text-sm" href=format!("/console/shops/{id}/keys")>{t::shops::rotate()}</a> }
    });
    let synced = match shop.last_synced_at {
        Some(at) => view! { <Moment at=at/> }.into_any(),
        None => t::shops::never().into_any(),
    };
    view! {
        <Card title=t::shops::connection()>
            <div class="p-4 grid gap-4">
                <dl class="grid grid-cols-[auto_1fr] gap-x-4 gap-y-2 text-sm">
                    {application_rows(&application)}
                    {fact(t::shops::synced(), synced)}
                    {shop.life.as_ref().map(|life| life_rows(life, now))}
                </dl>
                <p class="sub">{t::shops::levels_note()}</p>
                {renew}
                <div class="flex gap-4 flex-wrap">
                    <a class="lnk text-sm" href=format!("/console/shops/{id}/connected")>{t::shops::permissions()}</a>
                    {rotate}
                </div>
            </div>
        </Card>
    }
    .into_any()
}

fn fact(name: &'static str, value: impl IntoView) -> impl IntoView {
    view! { <dt class="text-ink2">{name}</dt><dd class="text-right min-w-0">{value}</dd> }
}

fn application_rows(application: &ApplicationView) -> impl IntoView + use<> {
    let kind = if application.is_hosted { t::shops::hosted() } else { t::shops::own_keys() };
    let standing = if application.is_stopped {
        view! { <Badge tone=Tone::Exception icon="triangle-alert">{t::shops::application_stopped()}</Badge> }
    } else {
        view! { <Badge tone=Tone::Delivered icon="circle-check">{t::shops::application_works()}</Badge> }
    };
    view! {
        {fact(t::shops::application(), kind)}
        {fact("client_id", view! { <span class="mask">{application.masked_client_id.clone()}</span> })}
        {fact(t::overview::state(), standing)}
    }
}

fn life_rows(life: &TokenLife, now: DateTime<Utc>) -> impl IntoView + use<> {
    let level = |name: &'static str, at: Option<DateTime<Utc>>| {
        fact(name, view! { <Moment at=at.unwrap_or(life.expires_at)/> })
    };
    view! {
        {fact(t::shops::authorization(), life_badge(life, now))}
        {level(t::shops::level_r1(), life.levels.r1)}
        {level(t::shops::level_r2(), life.levels.r2)}
        {level(t::shops::level_w1(), life.levels.w1)}
        {level(t::shops::level_w2(), life.levels.w2)}
    }
}

#[component]
fn Leave(shop: ShopId) -> AnyView {
    view! {
        <Card title=t::shops::leave()>
            <div class="p-4 grid gap-3">
                <p class="text-sm text-ink2 leading-6">{t::shops::leave_text()}</p>
                <a class=Look::Danger.class() href=format!("/console/shops/{shop}/disconnect")>{t::shops::disconnect()}</a>
            </div>
        </Card>
    }
    .into_any()
}
