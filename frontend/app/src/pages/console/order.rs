//! `/console/shops/{shop}/orders/{order_sn}`: one order, why it stands where it stands, and what may be done.

mod aside;
mod cards;
mod revealed;
mod story;
mod why;
pub(super) mod words;

pub(crate) use self::revealed::Revealed;

use kamiflow_kernel::OrderSn;
use leptos::prelude::*;

use self::aside::{Cannot, Goods, Platform, Redemptions};
use self::cards::{Cards, Receipts};
use self::story::Story;
use self::why::WhyPanel;
use super::ConsolePage;
use super::overview::ShopBadges;
use crate::components::{Badge, Card, Empty, Tone, href};
use crate::islands::CopyButton;
use crate::layouts::Section;
use crate::views::orders::OrderPage;
use crate::{context, format, t};

/// One order. While something moves by itself the page looks again, without a script.
#[component]
pub(crate) fn Order() -> AnyView {
    let Some(data) = context::data::<OrderPage>() else { return ().into_any() };
    let refresh = data.refresh_after.map(|seconds| view! { <Again seconds=seconds/> });
    let trail = ("/console/orders".to_owned(), t::console::orders().to_owned());
    let number = data.order_sn.to_string();
    let marks = view! { <Marks data=data.clone()/> };
    let body = match &data.order {
        Some(_) => view! { <Known data=data.clone()/> }.into_any(),
        None => view! { <NotKnown awaited=data.refresh_after.is_some()/> }.into_any(),
    };
    let context = match data.order.as_ref().and_then(|order| order.platform.paid_at) {
        Some(paid) => t::order::shop_paid(&data.shop.name, format::minute(paid, data.now)),
        None => data.shop.name.clone(),
    };
    view! {
        {refresh}
        <ConsolePage section=Section::Orders title=number context=context trail=trail marks=marks.into_any()>
            {body}
        </ConsolePage>
    }
    .into_any()
}

/// Looks again after some seconds. Where scripts run, `boot.js` does it, and not while somebody is at something on the page.
#[component]
fn Again(seconds: u32) -> AnyView {
    view! { <noscript data-again=seconds.to_string()><meta http-equiv="refresh" content=seconds.to_string()/></noscript> }
        .into_any()
}

/// Where the order is, in which kind of shop, and its number to copy.
#[component]
fn Marks(data: std::sync::Arc<OrderPage>) -> AnyView {
    let state = data.order.as_ref().map(|order| {
        let badge = words::badge(&order.state, &order.state_cause, words::needs_person(order));
        view! { {badge.view(false)}<span class="text-sm text-ink2">{words::state(&order.state, &order.state_cause)}</span> }
    });
    let sandbox = data.shop.is_sandbox().then(|| view! { <ShopBadges shop=data.shop.clone()/> });
    view! { <CopyNumber order_sn=data.order_sn.clone()/>{state}{sandbox} }.into_any()
}

#[component]
fn CopyNumber(order_sn: OrderSn) -> AnyView {
    view! {
        <CopyButton
            text=order_sn.to_string()
            label=t::order::copy_sn().to_owned()
            done=t::order::copied().to_owned()
            icon=href("copy")
        />
    }
    .into_any()
}

#[component]
fn Known(data: std::sync::Arc<OrderPage>) -> AnyView {
    let Some(order) = data.order.clone() else { return ().into_any() };
    view! {
        <div class="grid lg:grid-cols-[minmax(0,1fr)_20rem] gap-4">
            <div class="grid gap-4 content-start min-w-0">
                <WhyPanel data=data.clone()/>
                <Story order=order.clone() now=data.now/>
                <Cards data=data.clone()/>
                <Receipts order=order.clone() now=data.now/>
            </div>
            <aside class="grid gap-4 content-start min-w-0">
                <Goods order=order.clone() now=data.now/>
                <Platform order=order.clone() now=data.now/>
                <Redemptions order=order.clone() now=data.now/>
                <Cannot order=order may_handle=data.may_handle/>
            </aside>
        </div>
    }
    .into_any()
}

#[component]
fn NotKnown(awaited: bool) -> AnyView {
    let (icon, title, text) = if awaited {
        ("loader-circle", t::order::waiting_title(), t::order::waiting_text())
    } else {
        ("search", t::order::unknown_title(), t::order::unknown_text())
    };
    let mark = awaited.then(|| view! { <Badge tone=Tone::Waiting icon="clock">{t::states::waiting()}</Badge> });
    view! {
        <Card title=t::order::story()>
            <div role="status" class="py-6"><Empty icon=icon title=title reason=text/><div class="text-center">{mark}</div></div>
        </Card>
    }
    .into_any()
}
