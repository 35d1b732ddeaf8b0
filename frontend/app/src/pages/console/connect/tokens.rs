//! `/console/shops/tokens`: every authorization by the time it has left.

use chrono::{DateTime, Utc};
use kamiflow_domain::connection_tokens::{TokenLife, Urgency};
use leptos::prelude::*;

use crate::components::{Card, Column, Empty, Look, Moment, Table};
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::pages::console::shops::{count, life_badge};
use crate::views::connect;
use crate::{context, t};

/// The list, the shortest first.
#[component]
pub(crate) fn Tokens() -> AnyView {
    let Some(data) = context::data::<connect::Tokens>() else { return ().into_any() };
    let columns = vec![
        Column::words(t::shops::shop()),
        Column::words(t::shops::authorization()),
        Column { sorted: Some(true), ..Column::numbers(t::connect::ends()) },
        Column::numbers(t::shops::to_ship()),
        Column::words(t::connect::what_to_do()),
    ];
    let rows: Vec<AnyView> = data.lives.iter().map(|life| row(life, data.may_renew, data.now)).collect();
    let list = if rows.is_empty() {
        view! { <Empty icon="key-round" title=t::overview::no_shops() reason=t::connect::no_tokens_text()/> }.into_any()
    } else {
        view! { <Table caption=t::connect::tokens_title() columns=columns>{rows}</Table> }.into_any()
    };
    view! {
        <ConsolePage section=Section::Shops title=t::connect::tokens_title() context=t::connect::tokens_context()>
            <Card title=t::connect::tokens_title() class="overflow-hidden">{list}</Card>
        </ConsolePage>
    }
    .into_any()
}

fn row(life: &TokenLife, may_renew: bool, now: DateTime<Utc>) -> AnyView {
    let look = if life.urgency >= Urgency::Now { Look::Primary } else { Look::Quiet };
    let renew = may_renew.then(|| {
        let href = format!("/console/shops/authorize?shop={}", life.shop);
        view! { <a class=format!("{} sm", look.class()) href=href>{t::shops::reauthorize()}</a> }
    });
    view! {
        <tr>
            <td><a class="lnk" href=format!("/console/shops/{}", life.shop)>{life.name.clone()}</a></td>
            <td class="rt">{life_badge(life, now)}</td>
            <td class="r"><Moment at=life.expires_at/></td>
            <td class="r rt">{t::shops::orders(count(life.waiting))}</td>
            <td class="full">{renew}</td>
        </tr>
    }
    .into_any()
}
