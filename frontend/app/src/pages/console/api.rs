//! `/console/api`: tokens for the merchant's own programs.

use std::sync::Arc;

use kamiflow_domain::api::create_token::LIVES;
use kamiflow_domain::api::list_tokens::{ApiTokenRow, ApiTokenView};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_kernel::{ApiScope, ShopScope};
use leptos::prelude::*;

use super::ConsolePage;
use crate::components::{Badge, Banner, Card, Column, Confirm, Empty, Field, Icon, Look, Submit, Table, Tone};
use crate::layouts::Section;
use crate::views::api::ApiTokens as Data;
use crate::{context, format, t};

/// The tokens, what each is for and when it was used; and the making of one.
#[component]
pub(crate) fn ApiTokens() -> AnyView {
    let Some(data) = context::data::<Data>() else { return ().into_any() };
    let reference = view! { <a class=Look::Quiet.class() href="/help/api">{t::api::reference()}</a> }.into_any();
    let columns = vec![
        Column::words(t::api::name()),
        Column::words(t::api::for_what()),
        Column::words(t::api::shops()),
        Column::words(t::api::last_used()),
        Column::words(t::api::good_until()),
        Column::words(""),
    ];
    let list = if data.tokens.is_empty() {
        view! { <Empty icon="key-round" title=t::api::none() reason=t::api::none_text()/> }.into_any()
    } else {
        let rows = data.tokens.iter().map(|token| row(token, &data)).collect_view();
        view! { <Table caption=t::api::title() columns=columns>{rows}</Table> }.into_any()
    };
    view! {
        <ConsolePage section=Section::Api title=t::api::title() context=t::api::context() acts=reference>
            {revocation(&data)}
            <Card title=t::api::tokens()>{list}</Card>
            <NewToken data=data/>
        </ConsolePage>
    }
    .into_any()
}

/// Asks before a token ends, where the address names one that is good.
fn revocation(data: &Data) -> Option<AnyView> {
    let asked = context::page().query.get("revoke")?.clone();
    let mut good = data.tokens.iter().filter(|token| token.row.is_good(data.now));
    let token = good.find(|token| token.row.id.to_string() == asked)?;
    let used = token.row.last_used_at.map_or_else(|| t::api::never().to_owned(), format::moment);
    Some(
        view! {
            <Confirm
                question=t::api::revoke_question(&token.row.name)
                consequence=t::api::revoke_consequence(used)
                action="/console/api/revoke".to_owned()
                field=("token", asked)
                act=t::api::revoke()
                back="/console/api"
            />
        }
        .into_any(),
    )
}

fn row(token: &ApiTokenView, data: &Data) -> impl IntoView + use<> {
    let row = &token.row;
    let scopes = row.scopes.iter().map(|scope| scope_name(*scope)).collect::<Vec<_>>().join(t::api::and());
    let shops = match &row.shops {
        ShopScope::All if row.is_test => t::api::all_sandbox().to_owned(),
        ShopScope::All => t::api::all_live().to_owned(),
        ShopScope::Only(shops) => {
            let names = data.shops.iter().filter(|shop| shops.contains(&shop.shop)).map(|shop| shop.name.clone());
            names.collect::<Vec<_>>().join(t::api::and())
        }
    };
    let used = row.last_used_at.map_or_else(|| t::api::never().to_owned(), format::moment);
    let place = row.last_used_from.clone().map(|place| view! { <div class="sub mono">{place}</div> });
    let id = row.id.to_string();
    let revoke = row.is_good(data.now).then(|| {
        view! {
            <a class="btn btn-danger sm" href=format!("/console/api?revoke={id}#confirm")>{t::api::revoke()}</a>
        }
    });
    view! {
        <tr>
            <td>
                <div class="font-medium break-all">{row.name.clone()}</div>
                <div class="sub mono">{start(row)}"…"{row.hint.clone()}</div>
                <div class="sub">{t::api::made_by(&token.maker)}</div>
            </td>
            <td class="full text-sm">{scopes}</td>
            <td class="full text-sm">{shops}</td>
            <td>{used}{place}</td>
            <td>{standing(row, data)}</td>
            <td class="r">{revoke}</td>
        </tr>
    }
}

fn start(row: &ApiTokenRow) -> &'static str {
    if row.is_test { kamiflow_domain::api::TEST } else { kamiflow_domain::api::LIVE }
}

fn standing(row: &ApiTokenRow, data: &Data) -> AnyView {
    if let Some(at) = row.revoked_at {
        let text = t::api::revoked(format::moment(at));
        return view! { <Badge tone=Tone::Closed icon="ban">{text}</Badge> }.into_any();
    }
    if row.is_void {
        return view! { <Badge tone=Tone::Closed icon="ban">{t::api::void()}</Badge> }.into_any();
    }
    let until = format::moment(row.expires_at);
    if row.expires_at <= data.now {
        return view! { <Badge tone=Tone::Review icon="clock-alert">{t::api::ended(until)}</Badge> }.into_any();
    }
    until.into_any()
}

#[component]
fn NewToken(data: Arc<Data>) -> AnyView {
    let days = |days: i64| {
        view! { <option value=days.to_string() selected={days == 90}>{t::api::days(u64::try_from(days).unwrap_or_default())}</option> }
    };
    let has_sudo = context::page().session.as_ref().is_some_and(|session| session.has_sudo);
    view! {
        <Card title=t::api::make() context=t::api::make_context()>
            <form class="p-4 grid gap-5 max-w-2xl" method="post" action="/console/api">
                {(!has_sudo).then(|| view! {
                    <Banner tone=Tone::Review icon="lock-keyhole" act=("/account/sudo?next=%2Fconsole%2Fapi".to_owned(), t::api::prove().to_owned())>
                        {t::api::needs_proof()}
                    </Banner>
                })}
                <Field name="name" label=t::api::name() hint=t::api::name_hint() max_length=60/>
                <fieldset class="grid gap-2">
                    <legend class="lab mb-1">{t::api::mode()}</legend>
                    {mode("live", t::api::live(), t::api::live_hint(), !data.is_test)}
                    {mode("test", t::api::test(), t::api::test_hint(), data.is_test)}
                </fieldset>
                <fieldset class="grid gap-2">
                    <legend class="lab mb-1">{t::api::for_what()}</legend>
                    {ApiScope::ALL.iter().map(|scope| scope_box(*scope)).collect_view()}
                    <p class="hint">{t::api::scopes_hint()}</p>
                </fieldset>
                {(!data.shops.is_empty()).then(|| view! {
                    <fieldset class="grid gap-2">
                        <legend class="lab mb-1">{t::api::shops()}</legend>
                        {data.shops.iter().map(shop_box).collect_view()}
                        <p class="hint">{t::api::shops_hint()}</p>
                    </fieldset>
                })}
                <div class="field max-w-60">
                    <label for="days">{t::api::life()}</label>
                    <select class="input" id="days" name="days">{LIVES.map(days).collect_view()}</select>
                </div>
                <div><Submit>{t::api::make()}</Submit></div>
            </form>
        </Card>
    }
    .into_any()
}

fn mode(value: &'static str, name: &'static str, hint: &'static str, is_first: bool) -> impl IntoView {
    view! {
        <label class="flex items-start gap-2 text-sm min-h-6">
            <input type="radio" class="radio radio-primary radio-xs mt-0.5" name="mode" value=value checked=is_first/>
            <span>{name}<span class="sub block">{hint}</span></span>
        </label>
    }
}

fn scope_box(scope: ApiScope) -> impl IntoView {
    let delicate = (scope == ApiScope::CardsReveal).then(|| {
        view! { <Badge tone=Tone::Review icon="eye">{t::api::delicate()}</Badge> }
    });
    view! {
        <label class="flex items-center gap-2 text-sm min-h-6 flex-wrap">
            <input type="checkbox" class="checkbox checkbox-primary" name="scope" value=scope.as_str()/>
            <span>{scope_name(scope)}</span><span class="sub mono">{scope.as_str()}</span>{delicate}
        </label>
    }
}

fn shop_box(shop: &ShopSummary) -> impl IntoView + use<> {
    let sandbox = shop.is_sandbox().then(|| view! { <Icon name="flask-conical" size="s"/> });
    view! {
        <label class="flex items-center gap-2 text-sm min-h-6">
            <input type="checkbox" class="checkbox checkbox-primary" name="shop" value=shop.shop.to_string()/>
            {shop.name.clone()}{sandbox}
        </label>
    }
}

/// Returns what a scope lets a token do.
pub(crate) fn scope_name(scope: ApiScope) -> &'static str {
    match scope {
        ApiScope::ShopsRead => t::api::shops_read(),
        ApiScope::OrdersRead => t::api::orders_read(),
        ApiScope::OrdersWrite => t::api::orders_write(),
        ApiScope::CardsRead => t::api::cards_read(),
        ApiScope::CardsWrite => t::api::cards_write(),
        ApiScope::CardsReveal => t::api::cards_reveal(),
        ApiScope::RedemptionsWrite => t::api::redemptions_write(),
        ApiScope::UsesWrite => t::api::uses_write(),
    }
}
