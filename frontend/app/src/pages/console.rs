//! The console's pages, one file per area; what they show is in [`crate::views`].

mod api;
mod audit;
mod connect;
mod export;
mod imported;
mod order;
mod orders;
mod overview;
mod pauses;
mod rules;
mod shops;
mod stock;
mod team;
mod verification;

pub(crate) use self::api::{ApiTokens, scope_name};
pub(crate) use self::audit::Audit;
pub(crate) use self::connect::{Authorize, ConnectShop, Connected, ToPlatform, Tokens};
pub(crate) use self::export::Export;
pub(crate) use self::imported::ImportResult;
pub(crate) use self::order::{Order, Revealed};
pub(crate) use self::orders::Orders;
pub(crate) use self::overview::Overview;
pub(crate) use self::pauses::Pauses;
pub(crate) use self::rules::Rules;
pub(crate) use self::shops::{DisconnectShop, ExchangeSecret, HandledOutside, Shop, ShopList, TrialRun};
pub(crate) use self::stock::{Notifications, Pool, Pools, Products};
pub(crate) use self::team::{LeaveTeam, MemberSeat, Merchant, Team, role_name};
pub(crate) use self::verification::Verification;

use chrono::{DateTime, Utc};
use leptos::prelude::*;

use crate::components::{Banner, FormError, Icon, Notice, Tone};
use crate::context::SessionView;
use crate::document::PageTitle;
use crate::layouts::{ConsoleLayout, Frame, Section};
use crate::{context, format, t};

/// A page of the console: frame, title, a line of context, acts, and what was just done.
#[component]
pub(crate) fn ConsolePage(
    section: Section,
    #[prop(into)] title: String,
    #[prop(optional, into)] context: Option<String>,
    #[prop(optional, into)] acts: Option<AnyView>,
    /// The list above, and its name.
    #[prop(optional)]
    trail: Option<(String, String)>,
    /// What stands beside the title: marks, a copy button.
    #[prop(optional, into)]
    marks: Option<AnyView>,
    children: Children,
) -> AnyView {
    let page = context::page();
    let session = page.session.clone().unwrap_or_default();
    let banner = worst(&session, &page.path);
    let frame = Frame::of(session, section);
    view! {
        <PageTitle name=title.clone()/>
        <ConsoleLayout frame=frame banner=banner>
            {trail.map(|trail| view! { <Trail trail=trail name=title.clone()/> })}
            <div class="ph">
                <div class="min-w-0">
                    <div class="flex items-center gap-2.5 flex-wrap"><h1>{title}</h1>{marks}</div>
                    {context.map(|context| view! { <p class="sub mt-0.5">{context}</p> })}
                </div>
                {acts.map(|acts| view! { <div class="acts">{acts}</div> })}
            </div>
            <div class="grid gap-4">
                <Notice/>
                <FormError/>
                {children()}
            </div>
        </ConsoleLayout>
    }
    .into_any()
}

/// Returns the worst of what holds work up. One banner stands above a page, so that its act is the next thing to do.
fn worst(session: &SessionView, path: &str) -> Option<AnyView> {
    // The page of pauses lists them itself.
    let paused = if path.starts_with("/console/pauses") { None } else { session.paused.first() };
    let closing = session.closes_at.map(closing);
    closing.or_else(|| session.waiting_for_authorization.map(expired)).or_else(|| paused.map(pauses::reminder))
}

/// The merchant was closed and its days of grace run.
fn closing(at: DateTime<Utc>) -> AnyView {
    let act = ("/console/merchant".to_owned(), t::merchant::banner_act().to_owned());
    view! {
        <Banner tone=Tone::Exception icon="triangle-alert" lead=t::merchant::banner_lead() act=act>
            {t::merchant::banner_text(format::moment(at))}
        </Banner>
    }
    .into_any()
}

/// An authorization has ended: how many orders wait for another one.
fn expired(waiting: u64) -> AnyView {
    let act = ("/console/shops/tokens".to_owned(), t::console::expired_act().to_owned());
    view! {
        <Banner tone=Tone::Exception icon="key-round" lead=t::console::expired_lead() act=act>
            {t::console::expired_text(waiting)}
        </Banner>
    }
    .into_any()
}

/// The way back to the list that a page belongs to.
#[component]
fn Trail(trail: (String, String), name: String) -> AnyView {
    let (href, list) = trail;
    view! {
        <nav class="sub flex items-center gap-1.5 mb-2" aria-label=t::console::trail()>
            <a href=href class="no-underline hover:underline">{list}</a>
            <Icon name="chevron-right" size="s"/>
            <span aria-current="page">{name}</span>
        </nav>
    }
    .into_any()
}
