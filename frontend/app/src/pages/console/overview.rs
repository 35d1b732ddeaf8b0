//! `/console`.

mod figures;

use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::{ShopId, ShopState};
use leptos::prelude::*;

use self::figures::Figures;
use super::{ConsolePage, verification};
use crate::components::{Badge, Banner, Card, Column, Empty, Icon, Look, Stepper, Submit, Table, Tone};
use crate::layouts::Section;
use crate::views::overview;
use crate::{context, t};

/// The first page of the console: what to do next, and the shops.
#[component]
pub(crate) fn Overview() -> AnyView {
    let Some(data) = context::data::<overview::Overview>() else { return ().into_any() };
    let has_sold =
        data.figures.as_ref().is_some_and(|figures| figures.delivered.today + figures.delivered.yesterday > 0);
    let step = match data.sandbox {
        None => 1,
        Some(_) if has_sold => 3,
        Some(_) => 2,
    };
    let steps = [t::overview::step_account(), t::overview::step_shop(), t::overview::step_buyer()];
    let next = data.sandbox.map_or_else(|| first_shop(data.may_connect), |shop| buy(shop, has_sold));
    view! {
        <ConsolePage section=Section::Dashboard title=t::overview::title()>
            {data.offers_sandbox.then(|| view! {
                <Card title=t::overview::start_title()>
                    <div class="p-4 grid gap-4"><Stepper steps=steps.map(str::to_owned).to_vec() now=step/>{next}</div>
                </Card>
            })}
            {people(&data)}
            {data.verification.as_ref().map(verification::standing_with_way)}
            {data.figures.clone().map(|figures| {
                view! { <div id="figures" class="grid gap-4" data-live=""><Figures figures=figures/></div> }
            })}
            <Shops shops=data.shops.clone() may_connect=data.may_connect/>
        </ConsolePage>
    }
    .into_any()
}

/// What needs a person and stands on no order.
fn people(data: &overview::Overview) -> AnyView {
    let wanted = data.wanted.iter().map(|shop| {
        let act = ("/console/shops".to_owned(), t::overview::wanted_answer().to_owned());
        let (lead, text) = (t::overview::wanted_lead(), t::overview::wanted_text(shop));
        view! { <Banner tone=Tone::Review icon="hand" lead=lead act=act>{text}</Banner> }
    });
    let outside = data.outside.iter().map(|warning| {
        let shop = data.shops.iter().find(|shop| shop.shop == warning.shop);
        let name = shop.map(|shop| shop.name.clone()).unwrap_or_default();
        let act = (format!("/console/shops/{}/outside", warning.shop), t::outside::see().to_owned());
        let text = t::overview::outside_text(&name, super::shops::count(warning.orders));
        view! { <Banner tone=Tone::Exception icon="triangle-alert" lead=t::outside::lead() act=act>{text}</Banner> }
    });
    let (wanted, outside) = (wanted.collect_view(), outside.collect_view());
    view! { {wanted}{outside} }.into_any()
}

fn first_shop(may_connect: bool) -> AnyView {
    if !may_connect {
        return view! { <p class="text-ink2">{t::overview::no_shops_viewer()}</p> }.into_any();
    }
    view! {
        <form method="post" action="/console/shops/sandbox" class="flex gap-4 flex-wrap items-center">
            <p class="flex-1 min-w-64 text-ink2 leading-6">{t::overview::sandbox_text()}</p>
            <Submit class="max-sm:w-full"><Icon name="flask-conical"/>{t::overview::make_sandbox()}</Submit>
        </form>
    }
    .into_any()
}

/// The third step, which is no longer the one main act where it was done.
fn buy(shop: ShopId, was_done: bool) -> AnyView {
    let look = if was_done { Look::Quiet } else { Look::Primary };
    view! {
        <form method="post" action=format!("/console/shops/{shop}/buyer") class="flex gap-4 flex-wrap items-center">
            <p class="flex-1 min-w-64 text-ink2 leading-6">{t::overview::ready_text()}</p>
            <Submit look=look class="max-sm:w-full"><Icon name="receipt-text"/>{t::overview::buy()}</Submit>
        </form>
    }
    .into_any()
}

#[component]
fn Shops(shops: Vec<ShopSummary>, may_connect: bool) -> AnyView {
    if shops.is_empty() {
        let act = may_connect.then(|| ("/console/shops/new".to_owned(), t::overview::connect().to_owned()));
        let reason = if may_connect { t::overview::no_shops_text() } else { t::overview::no_shops_viewer() };
        let empty = match act {
            Some(act) => view! { <Empty icon="store" title=t::overview::no_shops() reason=reason act=act/> },
            None => view! { <Empty icon="store" title=t::overview::no_shops() reason=reason/> },
        };
        return view! { <Card title=t::overview::shops()>{empty}</Card> }.into_any();
    }
    let connect = may_connect.then(|| {
        view! { <a class=Look::Quiet.class() href="/console/shops/new">{t::overview::connect()}</a> }.into_any()
    });
    let row = |shop: ShopSummary| {
        view! {
            <tr>
                <td><a class="lnk" href=format!("/console/shops/{}", shop.shop)>{shop.name.clone()}</a></td>
                <td><ShopBadges shop=shop.clone()/></td>
                <td class="mono r">{shop.mall.0}</td>
            </tr>
        }
    };
    let columns = vec![
        Column::words(t::console::shops()),
        Column::words(t::overview::state()),
        Column::numbers(t::overview::mall()),
    ];
    view! {
        <Card title=t::overview::shops() acts=connect.unwrap_or_else(|| ().into_any())>
            <Table caption=t::overview::shops() columns=columns>{shops.into_iter().map(row).collect_view()}</Table>
        </Card>
    }
    .into_any()
}

/// Where a shop is, and whether it is a sandbox shop.
#[component]
pub(crate) fn ShopBadges(shop: ShopSummary) -> AnyView {
    let (tone, icon, word) = match shop.state {
        ShopState::Live => (Tone::Delivered, "radio", t::overview::state_live()),
        ShopState::TrialRun => (Tone::Waiting, "eye", t::overview::state_dry()),
        ShopState::Stopped => (Tone::Exception, "triangle-alert", t::overview::state_stopped()),
        ShopState::Disconnected => (Tone::Closed, "circle-slash", t::overview::state_disconnected()),
    };
    view! {
        <span class="inline-flex gap-1.5 flex-wrap">
            <Badge tone=tone icon=icon>{word}</Badge>
            {shop.is_sandbox().then(|| view! { <Badge tone=Tone::Review icon="flask-conical">{t::overview::sandbox_badge()}</Badge> })}
        </span>
    }
    .into_any()
}
