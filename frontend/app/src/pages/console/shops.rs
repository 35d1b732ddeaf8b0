//! `/console/shops` and what is behind it.

mod checks;
mod disconnect;
mod keys;
mod outside;
mod show;
mod trial;

pub(crate) use self::disconnect::DisconnectShop;
pub(crate) use self::keys::ExchangeSecret;
pub(crate) use self::outside::{HandledOutside, outside_banner};
pub(crate) use self::show::Shop;
pub(crate) use self::trial::TrialRun;

use chrono::{DateTime, Utc};
use kamiflow_domain::connection_tokens::{TokenLife, Urgency};
use kamiflow_domain::list_shops::ShopSummary;
use leptos::prelude::*;

use super::ConsolePage;
use super::overview::ShopBadges;
use crate::components::{Badge, Card, Column, Confirm, Empty, Icon, Look, ProofFirst, Submit, Table, Tone};
use crate::layouts::Section;
use crate::views::shops::{self, TakeOver};
use crate::{context, format, t};

/// Who wants a mall of the merchant's, with the two answers.
fn take_overs(rows: &[TakeOver]) -> AnyView {
    let row = |row: &TakeOver| {
        view! {
            <li class="flex gap-3 flex-wrap items-center px-4 py-3">
                <div class="min-w-0 flex-1">
                    <div class="font-medium">{t::shops::take_over_asks(&row.asked_by, &row.shop)}</div>
                    <div class="sub">{t::shops::take_over_at(format::moment(row.asked_at))}</div>
                </div>
                <form class="flex gap-2 flex-wrap" method="post" action=format!("/console/take-overs/{}", row.request)>
                    <button class="btn btn-quiet sm" name="answer" value="refuse">{t::shops::take_over_refuse()}</button>
                    <a class="btn btn-danger sm" href=format!("/console/shops?release={}#confirm", row.request)>{t::shops::take_over_release()}</a>
                </form>
            </li>
        }
    };
    let rows = rows.iter().map(row).collect_view();
    view! {
        <Card title=t::shops::take_overs() context=t::shops::take_overs_context()>
            <p class="px-4 pt-3 text-sm text-ink2 leading-6">{t::shops::take_over_text()}</p>
            <ul class="divide-y divide-line">{rows}</ul>
        </Card>
    }
    .into_any()
}

/// Asks before a mall is let go, where the address names who asked for it.
fn release(rows: &[TakeOver]) -> Option<AnyView> {
    let asked = context::page().query.get("release")?.clone();
    let row = rows.iter().find(|row| row.request.to_string() == asked)?;
    Some(
        view! {
            <ProofFirst/>
            <Confirm
                question=t::shops::release_question(&row.shop, &row.asked_by)
                consequence=t::shops::release_consequence(count(row.waiting))
                action=format!("/console/take-overs/{}", row.request)
                field=("answer", "release".to_owned())
                act=t::shops::take_over_release()
                back="/console/shops"
            />
        }
        .into_any(),
    )
}

/// The list.
#[component]
pub(crate) fn ShopList() -> AnyView {
    let Some(data) = context::data::<shops::ShopList>() else { return ().into_any() };
    let connect = data.may_connect.then(|| list_acts(data.offers_sandbox));
    let acts = view! {
        <a class=Look::Quiet.class() href="/console/pauses"><Icon name="pause"/>{t::console::pause()}</a>
        {connect}
    };
    let count = u64::try_from(data.shops.len()).unwrap_or(u64::MAX);
    view! {
        <ConsolePage
            section=Section::Shops
            title=t::shops::title()
            context=t::shops::count(count)
            acts=acts.into_any()
        >
            {release(&data.take_overs)}
            {(!data.take_overs.is_empty()).then(|| take_overs(&data.take_overs))}
            <Card title=t::shops::title() class="overflow-hidden">{rows(&data)}</Card>
        </ConsolePage>
    }
    .into_any()
}

fn list_acts(offers_sandbox: bool) -> AnyView {
    let sandbox = offers_sandbox.then(|| {
        view! {
            <form method="post" action="/console/shops/sandbox">
                <Submit look=Look::Quiet><Icon name="flask-conical"/>{t::overview::make_sandbox()}</Submit>
            </form>
        }
    });
    view! {
        {sandbox}
        <a class=Look::Quiet.class() href="/console/shops/tokens"><Icon name="key-round"/>{t::connect::tokens_title()}</a>
        <a class=Look::Primary.class() href="/console/shops/new"><Icon name="store"/>{t::overview::connect()}</a>
    }
    .into_any()
}

fn rows(data: &shops::ShopList) -> AnyView {
    if data.shops.is_empty() {
        let reason = if data.may_connect { t::overview::no_shops_text() } else { t::overview::no_shops_viewer() };
        return match data.may_connect {
            true => {
                let act = ("/console/shops/new".to_owned(), t::overview::connect().to_owned());
                view! { <Empty icon="store" title=t::overview::no_shops() reason=reason act=act/> }.into_any()
            }
            false => view! { <Empty icon="store" title=t::overview::no_shops() reason=reason/> }.into_any(),
        };
    }
    let columns = vec![
        Column::words(t::shops::shop()),
        Column::words(t::overview::state()),
        Column::words(t::shops::authorization()),
        Column::numbers(t::shops::to_ship()),
        Column::numbers(t::overview::mall()),
    ];
    let life_of = |shop: &ShopSummary| data.lives.iter().find(|life| life.shop == shop.shop);
    let rows: Vec<AnyView> = data.shops.iter().map(|shop| row(shop, life_of(shop), data.now)).collect();
    view! { <Table caption=t::shops::title() columns=columns>{rows}</Table> }.into_any()
}

fn row(shop: &ShopSummary, life: Option<&TokenLife>, now: DateTime<Utc>) -> AnyView {
    view! {
        <tr>
            <td><a class="lnk" href=format!("/console/shops/{}", shop.shop)>{shop.name.clone()}</a></td>
            <td class="rt"><ShopBadges shop=shop.clone()/></td>
            <td>{life.map(|life| life_badge(life, now))}</td>
            <td class="r rt">{life.map(|life| t::shops::orders(count(life.waiting)))}</td>
            <td class="mono r hide-s">{shop.mall.0}</td>
        </tr>
    }
    .into_any()
}

/// Says how long tokens live, and whether somebody must act.
pub(super) fn life_badge(life: &TokenLife, now: DateTime<Utc>) -> AnyView {
    let (tone, icon) = match life.urgency {
        Urgency::None => (Tone::Delivered, "circle-check"),
        Urgency::Soon => (Tone::Review, "clock"),
        Urgency::Now => (Tone::Exception, "alarm-clock"),
        Urgency::Expired => (Tone::Exception, "triangle-alert"),
    };
    let words = match life.urgency {
        Urgency::Expired => t::shops::expired().to_owned(),
        Urgency::None | Urgency::Soon | Urgency::Now => left(life.expires_at, now),
    };
    view! { <Badge tone=tone icon=icon>{words}</Badge> }.into_any()
}

/// Says how long it is until a moment, in its largest unit.
fn left(until: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let span = until - now;
    match (span.num_days(), span.num_hours(), span.num_minutes()) {
        (2.., _, _) => t::shops::left_days(count(span.num_days())),
        (_, 2.., _) => t::shops::left_hours(count(span.num_hours())),
        (_, _, 1..) => t::shops::left_minutes(count(span.num_minutes())),
        _ => t::shops::expired().to_owned(),
    }
}

/// Counts of the database are never negative.
pub(in crate::pages::console) fn count(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}
