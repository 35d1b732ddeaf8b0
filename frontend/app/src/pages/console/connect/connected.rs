//! `/console/shops/{shop}/connected`: what the authorization granted, and what comes next.

use kamiflow_domain::connection_routes::{ApiGrant, Granted, NeededFor, SaleKind};
use kamiflow_kernel::{DeliveryMethod, ShopState};
use leptos::prelude::*;

use crate::components::{Badge, Banner, Card, Column, Icon, Look, Table, Tone, href};
use crate::islands::CopyButton;
use crate::layouts::Section;
use crate::pages::console::ConsolePage;
use crate::views::connect;
use crate::{context, t};

/// The list of APIs.
#[component]
pub(crate) fn Connected() -> AnyView {
    let Some(data) = context::data::<connect::Connected>() else { return ().into_any() };
    let shop = data.shop.clone();
    let next = if shop.state == ShopState::TrialRun { "/trial" } else { "" };
    let next = format!("/console/shops/{}{next}", shop.shop);
    let act = view! { <a class=Look::Primary.class() href=next>{t::connect::go_on()}<Icon name="arrow-right"/></a> };
    let missing: Vec<&str> = of(&data.apis, Granted::Missing);
    let columns = vec![
        Column::words(t::connect::api()),
        Column::words(t::connect::needed_for()),
        Column::words(t::connect::granted()),
    ];
    let rows: Vec<AnyView> = data.apis.iter().map(row).collect();
    view! {
        <ConsolePage section=Section::Shops title=t::connect::connected_title() context=shop.name.clone() acts=act.into_any()>
            {summary(&missing)}
            <Card title=t::shops::permissions() context=t::connect::apis_context() class="overflow-hidden">
                <Table caption=t::shops::permissions() columns=columns>{rows}</Table>
            </Card>
        </ConsolePage>
    }
    .into_any()
}

fn of(apis: &[ApiGrant], granted: Granted) -> Vec<&'static str> {
    apis.iter().filter(|grant| grant.granted == granted).map(|grant| grant.api).collect()
}

fn summary(missing: &[&str]) -> AnyView {
    if missing.is_empty() {
        return view! { <Banner tone=Tone::Delivered icon="circle-check">{t::connect::none_missing()}</Banner> }
            .into_any();
    }
    let count = u64::try_from(missing.len()).unwrap_or_default();
    let names = missing.join("\n");
    view! {
        <Banner tone=Tone::Review icon="triangle-alert">
            {t::connect::some_missing(count)}" "
            <CopyButton text=names label=t::connect::copy_missing().to_owned() done=t::site::copied().to_owned() icon=href("copy")/>
        </Banner>
    }
    .into_any()
}

fn row(grant: &ApiGrant) -> AnyView {
    let (tone, icon, word) = match grant.granted {
        Granted::Yes => (Tone::Delivered, "circle-check", t::connect::granted_yes()),
        Granted::Missing => (Tone::Exception, "circle-x", t::connect::granted_missing()),
        Granted::NotTold => (Tone::Waiting, "circle-question-mark", t::connect::granted_not_told()),
    };
    view! {
        <tr>
            <td class="mono full">{grant.api}</td>
            <td>{needed_for(grant.needed_for)}</td>
            <td class="rt"><Badge tone=tone icon=icon>{word}</Badge></td>
        </tr>
    }
    .into_any()
}

fn needed_for(needed: NeededFor) -> &'static str {
    match needed {
        NeededFor::Everything => t::connect::for_everything(),
        NeededFor::Push => t::connect::for_push(),
        NeededFor::Delivery(DeliveryMethod::ChargeNotify) => t::connect::for_charge(),
        NeededFor::Delivery(DeliveryMethod::PickupPage) => t::connect::for_pickup(),
        NeededFor::Delivery(DeliveryMethod::PlatformPool | DeliveryMethod::PlatformCodes) => t::connect::for_pool(),
        NeededFor::Delivery(DeliveryMethod::VoucherSend) => t::connect::for_voucher(),
        NeededFor::Redemption(SaleKind::PlatformCards) => t::connect::for_ota(),
        NeededFor::Redemption(_) => t::connect::for_redemption(),
        NeededFor::LinkingCodes => t::connect::for_linking(),
    }
}
