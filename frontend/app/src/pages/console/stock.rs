//! `/console/pools`, `/console/products` and `/console/notifications`.

use kamiflow_domain::pause::PauseScope;
use kamiflow_domain::stock_pages::{BatchRow, PoolSummary, SkuSummary};
use kamiflow_kernel::{DeliveryMethod, GatewayKind};
use leptos::prelude::*;

use super::ConsolePage;
use super::pauses::{PauseBanners, PauseCard};
use crate::components::{Badge, Card, Column, Empty, Field, Icon, Look, ProofFirst, Submit, Table, Tone, t_error};
use crate::layouts::Section;
use crate::views::pauses::PauseTarget;
use crate::views::stock;
use crate::{context, format, t};

/// The pools with their stock, and the making of one.
#[component]
pub(crate) fn Pools() -> AnyView {
    let Some(data) = context::data::<stock::Pools>() else { return ().into_any() };
    let columns = vec![
        Column::words(t::stock::pool()),
        Column::numbers(t::stock::available()),
        Column::numbers(t::stock::reserved()),
        Column::words(""),
    ];
    let list = if data.pools.is_empty() {
        view! { <Empty icon="credit-card" title=t::stock::no_pool() reason=t::stock::no_pool_text()/> }.into_any()
    } else {
        let rows = data.pools.iter().map(|pool| pool_row(pool, data.may_manage)).collect_view();
        view! { <Table caption=t::console::pools() columns=columns>{rows}</Table> }.into_any()
    };
    view! {
        <ConsolePage section=Section::Pools title=t::console::pools() context=t::stock::pools_context()>
            <Card title=t::console::pools()>{list}</Card>
            {data.may_manage.then(|| view! {
                <Card title=t::stock::new_pool()>
                    <form class="p-4 grid gap-4 max-w-md" method="post" action="/console/pools">
                        <input type="hidden" name="gateway" value=data.gateway.as_str()/>
                        <Field name="name" label=t::stock::pool_name() hint=t::stock::pool_name_hint() max_length=120/>
                        <Field name="low_stock_at" label=t::stock::low_at() hint=t::stock::low_at_hint() kind="number" max_length=7 optional=true/>
                        <div><Submit>{t::stock::make_pool()}</Submit></div>
                    </form>
                </Card>
            })}
        </ConsolePage>
    }
    .into_any()
}

fn is_low(pool: &PoolSummary) -> bool {
    pool.stock.available <= i64::from(pool.low_stock_at)
}

fn count(number: i64) -> String {
    format::count(u64::try_from(number).unwrap_or_default())
}

/// Returns how much is claimed, where that may be told.
fn reserved(pool: &PoolSummary) -> String {
    if pool.is_whole { count(pool.stock.reserved) } else { "—".to_owned() }
}

fn pool_row(pool: &PoolSummary, may_manage: bool) -> impl IntoView + use<> {
    let low = is_low(pool).then(|| view! { <Badge tone=Tone::Review icon="triangle-alert">{t::stock::low()}</Badge> });
    let href = format!("/console/pools/{}", pool.pool);
    let import = may_manage.then(|| view! { <a class="btn btn-quiet sm" href=href.clone()>{t::stock::import()}</a> });
    view! {
        <tr>
            <td><span class="inline-flex gap-2 items-center flex-wrap"><a class="lnk" href=href>{pool.name.clone()}</a>{low}</span></td>
            <td class="r">{count(pool.stock.available)}</td>
            <td class="r">{reserved(pool)}</td>
            <td class="r">{import}</td>
        </tr>
    }
}

/// One pool: its stock, and importing by pasting.
#[component]
pub(crate) fn Pool() -> AnyView {
    let Some(data) = context::data::<stock::Pool>() else { return ().into_any() };
    let pool = data.pool.clone();
    let (action, file) = (format!("/console/pools/{}/import", pool.pool), format!("/console/pools/{}/file", pool.pool));
    let target =
        PauseTarget { scope: PauseScope::Pool(pool.pool), target: pool.pool.to_string(), name: pool.name.clone() };
    let trail = ("/console/pools".to_owned(), t::console::pools().to_owned());
    let mark = (pool.gateway == GatewayKind::Sandbox)
        .then(|| view! { <Badge tone=Tone::Review icon="flask-conical">{t::overview::sandbox_badge()}</Badge> });
    let stock = t::stock::stock_line(count(pool.stock.available), reserved(&pool));
    view! {
        <ConsolePage section=Section::Pools title=pool.name.clone() context=stock trail=trail marks=mark.into_any()>
            <PauseBanners lines=data.pauses.clone()/>
            {data.may_manage.then(|| view! {
                <Card title=t::stock::paste()>
                    <form class="p-4 grid gap-4" method="post" action=action>
                        <div class="field">
                            <label for="cards">{t::stock::cards()}</label>
                            <textarea id="cards" name="cards" class="input mono h-64 py-2" required=true aria-describedby="cards-note" spellcheck="false" autocomplete="off"></textarea>
                            <span class="hint" id="cards-note">{t::stock::paste_hint()}</span>
                        </div>
                        <label class="flex items-center gap-2 text-sm min-h-6">
                            <input type="checkbox" name="skip_bad" value="true" class="checkbox checkbox-primary"/>
                            {t::stock::skip_bad()}
                        </label>
                        <div><Submit>{t::stock::take_in()}</Submit></div>
                    </form>
                </Card>
                <Card title=t::stock::upload()>
                    <form class="p-4 grid gap-4 max-w-xl" method="post" action=file enctype="multipart/form-data">
                        <FileField/>
                        <label class="flex items-center gap-2 text-sm min-h-6">
                            <input type="checkbox" name="skip_bad" value="true" class="checkbox checkbox-primary"/>
                            {t::stock::skip_bad()}
                        </label>
                        <div><Submit><Icon name="upload"/>{t::stock::take_file()}</Submit></div>
                    </form>
                </Card>
            })}
            {(!data.batches.is_empty()).then(|| batches(&data.batches))}
            {data.may_pause.then(|| view! { <div class="max-w-xl"><PauseCard target=target.clone() lines=data.pauses.clone()/></div> })}
        </ConsolePage>
    }
    .into_any()
}

/// The file of cards; nothing but its size is wrong before it is read.
#[component]
fn FileField() -> AnyView {
    let error = context::page().outcome.as_ref().and_then(|outcome| outcome.error("file").map(t_error));
    let invalid = error.is_some();
    view! {
        <div class="field" class:err=invalid>
            <label for="file">{t::stock::file()}</label>
            <input
                class="file-input w-full"
                type="file"
                id="file"
                name="file"
                accept=".csv,.txt,.xlsx,text/csv,text/plain"
                required=true
                aria-invalid=invalid.then_some("true")
                aria-describedby="file-note"
            />
            <span class=if invalid { "errtext" } else { "hint" } id="file-note">{error.unwrap_or_else(|| t::stock::file_hint().to_owned())}</span>
        </div>
    }
    .into_any()
}

/// The latest batches; one that turned out bad is paused.
fn batches(rows: &[BatchRow]) -> impl IntoView + use<> {
    let columns = vec![
        Column::words(t::stock::batch()),
        Column::numbers(t::stock::taken()),
        Column::words(t::stock::when()),
        Column::words(""),
    ];
    let row = |batch: &BatchRow| {
        let name = if batch.file_name.is_empty() { t::stock::generated().to_owned() } else { batch.file_name.clone() };
        let href = format!("/console/pauses/{}", batch.id);
        view! {
            <tr>
                <td>{name}</td>
                <td class="r">{count(i64::from(batch.accepted))}</td>
                <td>{format::moment(batch.created_at)}</td>
                <td class="r"><a class="btn btn-quiet sm" href=href>{t::console::pause()}</a></td>
            </tr>
        }
    };
    let rows = rows.iter().map(row).collect_view();
    view! {
        <Card title=t::stock::batches()>
            <Table caption=t::stock::batches() columns=columns>{rows}</Table>
        </Card>
    }
}

/// What is done with the orders of each SKU.
#[component]
pub(crate) fn Products() -> AnyView {
    let Some(data) = context::data::<stock::Products>() else { return ().into_any() };
    let chosen = data.shop;
    let chips: Vec<AnyView> = data
        .shops
        .iter()
        .map(|shop| {
            let current = (Some(shop.shop) == chosen).then_some("true");
            let href = format!("/console/products?shop={}", shop.shop);
            view! { <a class="chip" href=href aria-current=current>{shop.name.clone()}</a> }.into_any()
        })
        .collect();
    let columns =
        vec![Column::words(t::stock::sku()), Column::words(t::stock::now()), Column::words(t::stock::change())];
    let list = if data.skus.is_empty() {
        view! { <Empty icon="package" title=t::stock::no_sku() reason=t::stock::no_sku_text()/> }.into_any()
    } else {
        let rows = data.skus.iter().map(|sku| sku_row(sku, &data)).collect_view();
        view! { <Table caption=t::console::products() columns=columns>{rows}</Table> }.into_any()
    };
    let rules =
        data.may_rule.then(|| view! { <a class=Look::Quiet.class() href="/console/rules">{t::rules::title()}</a> });
    let rules = rules.into_any();
    let read = chosen.filter(|_| data.may_map).map(|shop| {
        view! {
            <form method="post" action="/console/products/read">
                <button class=Look::Quiet.class() name="shop" value=shop.to_string()>{t::stock::read_again()}</button>
            </form>
        }
        .into_any()
    });
    view! {
        <ConsolePage section=Section::Products title=t::console::products() context=t::stock::products_context() acts=rules>
            <nav class="flex gap-2 flex-wrap" aria-label=t::console::shops()>{chips}</nav>
            <Card title=t::console::products() acts=read.unwrap_or_else(|| ().into_any())>{list}</Card>
        </ConsolePage>
    }
    .into_any()
}

fn sku_row(sku: &SkuSummary, data: &stock::Products) -> impl IntoView + use<> {
    let (tone, word) = match sku.method.as_deref() {
        None => (Tone::Exception, t::stock::undecided()),
        Some("skip") => (Tone::Closed, t::stock::skipped()),
        Some(method) => (Tone::Delivered, method.parse().map_or("—", method_name)),
    };
    let form = data.may_map.then(|| choices(sku, data));
    let pause = data.may_pause.then(|| {
        let href = format!("/console/pauses/{}", sku.sku);
        view! { <a class="lnk text-sm" href=href>{t::console::pause()}</a> }
    });
    view! {
        <tr>
            <td><div class="font-medium">{sku.goods.clone()}</div><div class="sub">{sku.spec.clone()}</div></td>
            <td><Badge tone=tone>{word}</Badge></td>
            <td><div class="flex gap-3 flex-wrap items-center">{form}{pause}</div></td>
        </tr>
    }
}

/// Every way that fits, with a pool where cards of ours are handed out.
fn choices(sku: &SkuSummary, data: &stock::Products) -> AnyView {
    // Nothing is chosen at first, so that a press without a choice changes nothing.
    let mut options = vec![
        view! { <option value="" selected=true disabled=true>{t::stock::choose()}</option> }.into_any(),
        view! { <option value="skip">{t::stock::skip()}</option> }.into_any(),
    ];
    for method in &sku.possible {
        if needs_pool(*method) {
            for pool in &data.pools {
                let label = format!("{} · {}", method_name(*method), pool.name);
                let value = format!("{method}:{}", pool.pool);
                options.push(view! { <option value=value>{label}</option> }.into_any());
            }
        } else {
            options.push(view! { <option value=method.to_string()>{method_name(*method)}</option> }.into_any());
        }
    }
    let shop = data.shop.map(|shop| shop.to_string()).unwrap_or_default();
    view! {
        <form class="flex gap-2 flex-wrap items-center" method="post" action="/console/products">
            <input type="hidden" name="shop" value=shop/>
            <input type="hidden" name="sku" value=sku.sku.to_string()/>
            <select class="input w-auto max-w-40 sm:max-w-64" name="handling" required=true aria-label=t::stock::change_of(&sku.goods)>{options}</select>
            <Submit look=Look::Quiet class="sm">{t::stock::save()}</Submit>
        </form>
    }
    .into_any()
}

const fn needs_pool(method: DeliveryMethod) -> bool {
    matches!(method, DeliveryMethod::VoucherSend | DeliveryMethod::PlatformPool | DeliveryMethod::PickupPage)
}

fn method_name(method: DeliveryMethod) -> &'static str {
    match method {
        DeliveryMethod::VoucherSend => t::stock::voucher_send(),
        DeliveryMethod::PlatformPool => t::stock::platform_pool(),
        DeliveryMethod::PlatformCodes => t::stock::platform_codes(),
        DeliveryMethod::ChargeNotify => t::stock::charge_notify(),
        DeliveryMethod::PickupPage => t::stock::pickup_page(),
    }
}

/// Where the merchant is told of what needs a person.
#[component]
pub(crate) fn Notifications() -> AnyView {
    let Some(data) = context::data::<stock::Notifications>() else { return ().into_any() };
    let address = data.address.clone();
    let state = address.map_or_else(|| t::stock::no_address().to_owned(), t::stock::address_is);
    view! {
        <ConsolePage section=Section::Notifications title=t::console::notifications() context=t::stock::notifications_context()>
            <Card title=t::stock::address()>
                <div class="p-4 grid gap-4 max-w-md">
                    <p class="text-ink2">{state}</p>
                    {data.may_manage.then(|| view! { <ProofFirst/> })}
                    {data.may_manage.then(|| view! {
                        <form class="grid gap-4" method="post" action="/console/notifications">
                            <Field name="email" label=t::accounts::email() kind="email" autocomplete="email" max_length=254/>
                            <div><Submit>{t::stock::save()}</Submit></div>
                        </form>
                    })}
                </div>
            </Card>
        </ConsolePage>
    }
    .into_any()
}
