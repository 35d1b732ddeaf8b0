//! `/console/shops/{shop}/outside`: orders that were shipped, or got cards, from elsewhere.

use kamiflow_domain::handled_outside::OutsideWarning;
use leptos::prelude::*;

use super::count;
use crate::components::{Banner, Card, Column, Empty, Icon, Look, Moment, Submit, Table, Tone};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::shops;
use crate::{context, t};

/// Warns that another tool seems to work on a shop, with the way to its orders.
pub(crate) fn outside_banner(warning: &OutsideWarning) -> AnyView {
    let act = (format!("/console/shops/{}/outside", warning.shop), t::outside::see().to_owned());
    let text = t::outside::warning(count(warning.orders));
    view! { <Banner tone=Tone::Exception icon="triangle-alert" lead=t::outside::lead() act=act>{text}</Banner> }
        .into_any()
}

/// The list, and above it the warning with what resolves it.
#[component]
pub(crate) fn HandledOutside() -> AnyView {
    let Some(data) = context::data::<shops::Outside>() else { return ().into_any() };
    let shop = data.shop.clone();
    let warning = data.warning.as_ref().map(|warning| warned(warning, data.may_resolve));
    view! {
        <ConsolePage section=Section::Shops title=t::outside::title() context=shop.name.clone()>
            {warning}
            <Card title=t::outside::title() context=t::outside::context() class="overflow-hidden">{orders(&data)}</Card>
            <p class="sub"><a class="lnk" href=format!("/console/shops/{}", shop.shop)>{t::trial::to_shop()}</a></p>
        </ConsolePage>
    }
    .into_any()
}

fn warned(warning: &OutsideWarning, may_resolve: bool) -> AnyView {
    let resolve = may_resolve.then(|| {
        view! {
            <form method="post" action=format!("/console/shops/{}/outside", warning.shop)>
                <Submit look=Look::Quiet><Icon name="check"/>{t::outside::resolve()}</Submit>
            </form>
        }
    });
    let text = t::outside::warning(count(warning.orders));
    view! {
        <Banner tone=Tone::Exception icon="triangle-alert" lead=t::outside::lead()>{text}</Banner>
        <Card title=t::outside::what_to_do()>
            <div class="p-4 flex gap-4 flex-wrap items-center">
                <p class="flex-1 min-w-64 text-ink2 leading-6">{t::outside::advice()}</p>
                {resolve}
            </div>
        </Card>
    }
    .into_any()
}

fn orders(data: &shops::Outside) -> AnyView {
    if data.orders.is_empty() {
        return view! { <Empty icon="inbox" title=t::outside::none() reason=t::outside::none_text()/> }.into_any();
    }
    let columns =
        vec![Column::words(t::trial::order()), Column::words(t::outside::what()), Column::numbers(t::outside::when())];
    let rows = data.orders.iter().map(|order| {
        let what = if order.cause == "foreign_cards" { t::outside::foreign_cards() } else { t::outside::shipped() };
        let href = format!("/console/shops/{}/orders/{}", data.shop.shop, order.order_sn);
        view! {
            <tr>
                <td><a class="lnk mono" href=href>{order.order_sn.clone()}</a></td>
                <td>{what}</td>
                <td class="r"><Moment at=order.at/></td>
            </tr>
        }
    });
    let rows = rows.collect_view();
    view! { <Table caption=t::outside::title() columns=columns>{rows}</Table> }.into_any()
}
