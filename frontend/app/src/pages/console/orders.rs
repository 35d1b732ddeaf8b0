//! `/console/orders`: orders newest first, filtered by what stands in the address.

use std::collections::HashMap;
use std::sync::Arc;

use kamiflow_domain::list_orders::OrderPage as Listed;
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::Fen;
use leptos::prelude::*;

use super::ConsolePage;
use super::order::words;
use crate::components::{Card, CellHead, Column, Empty, Icon, Look, OrderBadge, Pagination, Tab, Table, Tabs};
use crate::layouts::Section;
use crate::views::orders::{OrderTab, Orders as OrdersView};
use crate::{context, format, t};

/// The list.
#[component]
pub(crate) fn Orders() -> AnyView {
    let Some(data) = context::data::<OrdersView>() else { return ().into_any() };
    let open = OrderTab::ALL.iter().position(|tab| *tab == data.tab).unwrap_or(0);
    let tab = |tab: &OrderTab| Tab {
        label: tab_name(*tab).to_owned(),
        href: data.address(*tab, None),
        count: None,
        is_hot: false,
    };
    let tabs: Vec<Tab> = OrderTab::ALL.iter().map(tab).collect();
    // Later pages stay as they are while somebody reads them.
    let is_live = !data.is_later;
    view! {
        <ConsolePage section=Section::Orders title=t::console::orders() context=scope(&data)>
            <Tabs label=t::orders::states() tabs=tabs open=open/>
            <Filters data=data.clone()/>
            <div id="orders" data-live=is_live.then_some("")>
                <Card title=t::orders::list() context=t::orders::newest_first() class="overflow-hidden">
                    <List data=data.clone()/>
                </Card>
            </div>
        </ConsolePage>
    }
    .into_any()
}

/// Says how much is looked at: shops of the present mode, of those the member sees.
fn scope(data: &OrdersView) -> String {
    t::orders::scope(u64::try_from(data.shops.len()).unwrap_or(u64::MAX))
}

fn tab_name(tab: OrderTab) -> &'static str {
    match tab {
        OrderTab::All => t::orders::all(),
        OrderTab::Waiting => t::states::waiting(),
        OrderTab::Sending => t::states::sending(),
        OrderTab::Delivered => t::states::delivered(),
        OrderTab::Redeemed => t::states::redeemed(),
        OrderTab::NeedPerson => t::states::review(),
        OrderTab::Closed => t::states::closed(),
    }
}

/// Order number and shop; a form that is sent by `GET`, so that the address says what is shown.
#[component]
fn Filters(data: Arc<OrdersView>) -> AnyView {
    let option = |shop: &ShopSummary| {
        let id = shop.shop.to_string();
        let is_chosen = data.shop == Some(shop.shop);
        view! { <option value=id selected=is_chosen>{shop.name.clone()}</option> }
    };
    let is_filtered = data.shop.is_some() || !data.q.is_empty();
    let tab = data.tab.name().map(|name| view! { <input type="hidden" name="state" value=name/> });
    let clear = is_filtered.then(|| {
        view! { <a class="lnk text-sm max-sm:order-2" href=data.tab.bare()>{t::orders::clear()}</a> }
    });
    let shops = (data.shops.len() > 1).then(|| {
        view! {
            <select class="select w-auto max-sm:w-full max-sm:order-1" name="shop" aria-label=t::orders::shop()>
                <option value="">{t::orders::every_shop()}</option>
                {data.shops.iter().map(option).collect_view()}
            </select>
        }
    });
    view! {
        <form class="flex gap-2 flex-wrap items-center" action="/console/orders" role="search" aria-label=t::console::orders()>
            {tab}
            <input
                class="input w-72 max-sm:w-auto max-sm:flex-1 min-w-0 mono"
                name="q"
                value=data.q.clone()
                maxlength="64"
                aria-label=t::orders::number()
                placeholder=t::orders::number()
            />
            {shops}
            <button class=Look::Quiet.class()><Icon name="search" size="s"/>{t::orders::search()}</button>
            {clear}
        </form>
    }
    .into_any()
}

#[component]
fn List(data: Arc<OrdersView>) -> AnyView {
    let Listed { orders, next } = data.listed.clone();
    let more = next.map(|cursor| data.address(data.tab, Some(cursor)));
    let first = data.is_later.then(|| data.address(data.tab, None));
    let shown = match (orders.is_empty(), more.is_some()) {
        (true, true) => t::orders::looked_further().to_owned(),
        _ => t::orders::shown(u64::try_from(orders.len()).unwrap_or(u64::MAX)),
    };
    let body = if orders.is_empty() { nothing(&data, more.is_some()) } else { rows(&data, orders) };
    let paged = more.is_some() || first.is_some();
    let pages = paged.then(|| {
        view! { <div class="p-3 border-t border-line bg-raised"><Pagination shown=shown previous=first next=more/></div> }
    });
    view! { {body}{pages} }.into_any()
}

/// Why nothing is shown, and what to do about it.
fn nothing(data: &OrdersView, goes_on: bool) -> AnyView {
    if data.shops.is_empty() {
        let act = ("/console/shops/new".to_owned(), t::orders::connect().to_owned());
        return view! { <Empty icon="store" title=t::orders::no_shop() reason=t::orders::no_shop_text() act=act/> }
            .into_any();
    }
    let (title, reason) = match () {
        () if data.is_bad_number => (t::orders::bad_number(), t::orders::bad_number_text()),
        () if !data.q.is_empty() => (t::orders::not_found(), t::orders::not_found_text()),
        () if goes_on => (t::orders::none_here(), t::orders::none_here_text()),
        () if data.tab == OrderTab::NeedPerson => (t::orders::none_person(), t::orders::none_person_text()),
        () if data.tab != OrderTab::All || data.shop.is_some() => (t::orders::none_such(), t::orders::none_such_text()),
        () => (t::orders::none(), t::orders::none_text()),
    };
    view! { <Empty icon="inbox" title=title reason=reason/> }.into_any()
}

fn rows(data: &OrdersView, orders: Vec<kamiflow_domain::list_orders::ListedOrder>) -> AnyView {
    let columns = vec![
        Column::words(t::orders::goods()),
        Column::words(t::orders::state()),
        Column::words(t::orders::order()),
        Column::numbers(t::order::paid()),
        Column::words(t::orders::note()),
        Column::words(t::order::fact_deadline()),
        Column::numbers(t::order::paid_at()),
    ];
    let mut badges = HashMap::new();
    let rows = orders.into_iter().map(|order| row(data, order, &mut badges)).collect_view();
    view! { <Table caption=t::console::orders() columns=columns>{rows}</Table> }.into_any()
}

/// Badges that the page has shown, as they were written: it shows few kinds many times.
type Written = HashMap<OrderBadge, String>;

fn row(data: &OrdersView, order: kamiflow_domain::list_orders::ListedOrder, badges: &mut Written) -> AnyView {
    let shop = data.shops.iter().find(|shop| shop.shop == order.shop_id).map(|shop| shop.name.clone());
    let badge = words::badge(&order.state, &order.state_cause, order.needs_person);
    let badge = badges.entry(badge).or_insert_with(|| badge.view(false).into_any().to_html()).clone();
    let note = match &order.open_code {
        Some(code) => words::reason(code).0,
        None => words::state(&order.state, &order.state_cause),
    };
    let is_open = order.delivered_at.is_none() && words::closed(&order.state, &order.state_cause).is_none();
    let until = order.last_ship_at.filter(|_| is_open);
    let is_late = until.is_some_and(|until| until < data.now);
    let deadline = until.map(|until| format::minute(until, data.now));
    let paid = order.paid_at.map_or_else(|| "—".to_owned(), |paid| format::minute(paid, data.now));
    let page = format!("/console/shops/{}/orders/{}", order.shop_id, order.order_sn);
    let units = t::orders::units(&order.goods_spec, order.goods_count, shop.unwrap_or_default());
    view! {
        <tr>
            <td class="min-w-0"><div class="font-medium">{order.goods_name}</div><div class="sub">{units}</div></td>
            <td class="rt" inner_html=badge></td>
            <td class="min-w-0"><a class="lnk mono" href=page>{order.order_sn}</a></td>
            <td class="r rt">{format::yuan(Fen(order.pay_amount_fen))}</td>
            <td class="full text-ink2 first-letter:uppercase">{note}</td>
            <td class="full whitespace-nowrap" class:text-bad=is_late>
                {deadline.map(|deadline| view! { <CellHead name=t::order::fact_deadline()/>{deadline} })}
            </td>
            <td class="r hide-s whitespace-nowrap">{paid}</td>
        </tr>
    }
    .into_any()
}
