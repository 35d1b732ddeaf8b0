//! Pausing a shop: what is paused and how much waits for it, and the form.

use chrono::{DateTime, Utc};
use kamiflow_domain::pause::PausedWork;
use kamiflow_domain::show_shop::{PauseView, ShopView};
use kamiflow_kernel::{OrderSn, ShopId};
use leptos::prelude::*;

use super::count;
use crate::components::{Badge, Card, Field, Icon, Look, Moment, Submit, Tone, t_error};
use crate::{context, format, t};

/// Pauses in force, each with what waits and the button that ends it.
#[component]
pub(super) fn PauseBanners(shop: ShopView, may_pause: bool) -> AnyView {
    let id = shop.summary.shop;
    let banner = |pause: PauseView| {
        let may_end = may_pause && !pause.is_of_merchant;
        view! {
            <div class=format!("note {}", Tone::Review.class()) role="status">
                <Icon name="pause"/>
                <div class="min-w-0 flex-1 flex gap-x-4 gap-y-2 flex-wrap items-center">
                    <p class="flex-1 min-w-56"><b>{lead(&pause)}</b>{sentence(&pause)}</p>
                    {may_end.then(|| end(id, pause.work))}
                </div>
            </div>
        }
    };
    let first = (!shop.first.is_empty()).then(|| first(shop.first.clone()));
    view! { {shop.pauses.into_iter().map(banner).collect_view()}{first} }.into_any()
}

fn lead(pause: &PauseView) -> &'static str {
    match (pause.work, pause.is_of_merchant) {
        (PausedWork::Delivery, false) => t::pauses::delivery(),
        (PausedWork::Delivery, true) => t::pauses::delivery_everywhere(),
        (PausedWork::Redemption, false) => t::pauses::redemption(),
        (PausedWork::Redemption, true) => t::pauses::redemption_everywhere(),
    }
}

fn sentence(pause: &PauseView) -> String {
    let waiting = count(pause.waiting);
    match pause.ends_at {
        Some(ends_at) => t::pauses::until(&pause.reason, waiting, format::moment(ends_at)),
        None => t::pauses::without_end(&pause.reason, waiting),
    }
}

fn end(shop: ShopId, work: PausedWork) -> impl IntoView {
    view! {
        <form method="post" action=format!("/console/shops/{shop}/resume")>
            <input type="hidden" name="work" value=work.as_str()/>
            <Submit look=Look::Quiet class="sm">{t::pauses::resume()}</Submit>
        </form>
    }
}

/// What goes on first when the pause ends.
fn first(orders: Vec<(OrderSn, Option<DateTime<Utc>>)>) -> impl IntoView {
    let row = |(order_sn, ship_by): (OrderSn, Option<DateTime<Utc>>)| {
        view! {
            <li class="flex gap-x-4 gap-y-1 flex-wrap px-4 py-2.5 text-sm">
                <span class="mono flex-1">{order_sn.to_string()}</span>
                {ship_by.map(|at| view! { <span class="text-ink2">{t::pauses::ship_by()}" "<Moment at=at/></span> })}
            </li>
        }
    };
    view! {
        <Card title=t::pauses::first() context=t::pauses::first_context()>
            <ol class="divide-y divide-line">{orders.into_iter().map(row).collect_view()}</ol>
        </Card>
    }
}

/// The form that pauses.
#[component]
pub(super) fn PauseCard(shop: ShopView) -> AnyView {
    let id: ShopId = shop.summary.shop;
    let is_paused = |work| shop.own_pause(work).is_some();
    let now = if is_paused(PausedWork::Delivery) || is_paused(PausedWork::Redemption) {
        view! { <Badge tone=Tone::Review icon="pause">{t::pauses::paused()}</Badge> }.into_any()
    } else {
        ().into_any()
    };
    let wrong = context::page().outcome.as_ref().and_then(|outcome| outcome.error("hours").map(t_error));
    let hours_wrong = wrong.is_some();
    view! {
        <Card title=t::pauses::title() acts=now>
            <form class="p-4 grid gap-4" method="post" action=format!("/console/shops/{id}/pause")>
                <p class="text-sm text-ink2 leading-6">{t::pauses::text()}</p>
                <div class="field">
                    <label for="work">{t::pauses::work()}</label>
                    <select class="select" id="work" name="work">
                        <option value="delivery">{t::pauses::work_delivery()}</option>
                        <option value="redemption">{t::pauses::work_redemption()}</option>
                        <option value="both">{t::pauses::work_both()}</option>
                    </select>
                </div>
                <Field name="reason" label=t::pauses::reason() hint=t::pauses::reason_hint() max_length=200/>
                <div class="field">
                    <label for="hours">{t::pauses::hours()}</label>
                    <select class="select" id="hours" name="hours" aria-invalid=hours_wrong.then_some("true")>
                        <option value="">{t::pauses::hours_none()}</option>
                        <option value="1">{t::pauses::hours_1()}</option>
                        <option value="4">{t::pauses::hours_4()}</option>
                        <option value="24">{t::pauses::hours_24()}</option>
                    </select>
                    {wrong.map(|wrong| view! { <span class="errtext"><Icon name="circle-alert" size="s"/>{wrong}</span> })}
                </div>
                <Submit look=Look::Quiet><Icon name="pause"/>{t::pauses::pause()}</Submit>
            </form>
        </Card>
    }
    .into_any()
}
