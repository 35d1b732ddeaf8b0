//! The frame of the console: sidebar, top bar, test-mode line, banners, and a bottom bar on phones.

use kamiflow_domain::pause::PausedWork;
use kamiflow_kernel::{MerchantId, Permission};
use leptos::prelude::*;

use crate::components::{Icon, LanguageSwitch, Logo, Moment, ThemeSwitch, href};
use crate::context::{Running, SessionView};
use crate::t;

/// A place in the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// 仪表板
    Dashboard,
    /// 订单
    Orders,
    /// 商品与规格
    Products,
    /// 卡库
    Pools,
    /// 店铺与接口
    Shops,
    /// API 令牌
    Api,
    /// 通知
    Notifications,
    /// 团队
    Team,
    /// 账号与安全; not in the sidebar
    Account,
}

impl Section {
    /// What the bottom bar of a phone shows; the rest is behind its last entry.
    const PHONE: [Self; 4] = [Self::Dashboard, Self::Orders, Self::Products, Self::Pools];

    fn parts(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Dashboard => ("/console", "layout-dashboard", t::console::dashboard()),
            Self::Orders => ("/console/orders", "receipt-text", t::console::orders()),
            Self::Products => ("/console/products", "package", t::console::products()),
            Self::Pools => ("/console/pools", "credit-card", t::console::pools()),
            Self::Shops => ("/console/shops", "store", t::console::shops()),
            Self::Api => ("/console/api", "plug-zap", t::console::api()),
            Self::Notifications => ("/console/notifications", "bell-ring", t::console::notifications()),
            Self::Team => ("/console/team", "users", t::console::team()),
            Self::Account => ("/account/security", "key-round", t::console::security()),
        }
    }

    /// Returns what its page asks for; `None` for what everybody with a seat may open.
    fn asks(self) -> Option<Permission> {
        match self {
            Self::Dashboard | Self::Account => None,
            Self::Orders => Some(Permission::ShowOrders),
            Self::Products => Some(Permission::ShowProducts),
            Self::Pools => Some(Permission::ShowStock),
            Self::Shops => Some(Permission::ShowShops),
            Self::Api | Self::Notifications => Some(Permission::ManageIntegrations),
            Self::Team => Some(Permission::ShowTeam),
        }
    }

    /// Returns the groups of the sidebar; the first has no name.
    fn groups() -> [(&'static str, Vec<Self>); 3] {
        [
            ("", vec![Self::Dashboard, Self::Orders]),
            (t::console::group_products(), vec![Self::Products, Self::Pools]),
            (t::console::group_settings(), vec![Self::Shops, Self::Api, Self::Notifications, Self::Team]),
        ]
    }
}

/// What the frame around a page shows.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    /// Who is signed in.
    pub(crate) session: SessionView,
    /// Which entry is current.
    pub(crate) section: Section,
    /// Counts beside entries, and whether a person must act on them.
    pub(crate) counts: Vec<(Section, u64, bool)>,
}

impl Frame {
    /// Returns the frame of a page, with what a person must act on.
    pub(crate) fn of(session: SessionView, section: Section) -> Self {
        let ended = u64::try_from(session.shops_without_authorization).unwrap_or_default();
        let mut counts = vec![(Section::Orders, session.need_person, true), (Section::Shops, ended, true)];
        counts.retain(|(_, count, _)| *count > 0);
        Self { session, section, counts }
    }

    fn count(&self, section: Section) -> Option<(u64, bool)> {
        self.counts.iter().find(|(of, ..)| *of == section).map(|(_, count, hot)| (*count, *hot))
    }

    fn opens(&self, section: Section) -> bool {
        section.asks().is_none_or(|permission| self.session.permissions.contains(&permission))
    }

    fn current(&self, section: Section) -> Option<&'static str> {
        (self.section == section).then_some("page")
    }
}

/// Sidebar, top bar and page.
#[component]
pub(crate) fn ConsoleLayout(
    frame: Frame,
    /// The worst of what holds work up, if anything does.
    #[prop(optional_no_strip, into)]
    banner: Option<AnyView>,
    children: Children,
) -> AnyView {
    view! {
        <div class="flex">
            <Sidebar frame=frame.clone()/>
            <div class="flex-1 min-w-0">
                {frame.session.is_test.then(|| view! { <TestLine/> })}
                <TopBar frame=frame.clone()/>
                <main id="main">
                    {banner.map(|banner| view! { <div class="page-banner">{banner}</div> })}
                    <div class="page">{children()}</div>
                </main>
            </div>
        </div>
        <BottomBar frame=frame/>
    }
    .into_any()
}

#[component]
fn TestLine() -> AnyView {
    view! { <div class="stripe" role="status"><Icon name="flask-conical" size="s"/>{t::console::test_mode()}</div> }
        .into_any()
}

#[component]
fn Sidebar(frame: Frame) -> AnyView {
    let running = frame.session.running.map(|running| run_state(&frame.session, running));
    view! {
        <aside class="side" aria-label=t::console::navigation()>
            <a class="flex items-center gap-2.5 h-13 px-4 shrink-0 no-underline" href="/console">
                <Logo size=26/>
                <span class="font-semibold text-md tracking-wide">{t::site::name()}</span>
            </a>
            <nav aria-label=t::console::navigation()><Entries frame=frame/></nav>
            {running}
        </aside>
    }
    .into_any()
}

/// Whether deliveries run, when shops were last read, and the way to pause or resume them.
fn run_state(session: &SessionView, running: Running) -> impl IntoView + use<> {
    let is_paused = session.paused.iter().any(|line| line.work == PausedWork::Delivery);
    let (state, act) = match is_paused {
        true => (t::console::all_paused(), t::console::look()),
        false => (t::console::running(), t::console::pause()),
    };
    let synced = running.read_at.map(|at| view! { <div class="sub">{t::console::synced()}" "<Moment at=at/></div> });
    let may_pause = session.permissions.contains(&Permission::Pause) || is_paused;
    view! {
        <div class="p-3 border-t border-line flex items-center gap-2.5 text-sm">
            {if is_paused { view! { <Icon name="pause" size="s"/> }.into_any() } else { view! { <i class="live"></i> }.into_any() }}
            <div class="min-w-0"><div class="font-medium">{state}</div>{synced}</div>
            {may_pause.then(|| view! { <a class="btn btn-quiet sm ml-auto" href="/console/pauses">{act}</a> })}
        </div>
    }
}

#[component]
fn Entries(frame: Frame) -> AnyView {
    let entry = |section: Section| {
        let (href, icon, name) = section.parts();
        let count =
            frame.count(section).map(|(count, hot)| view! { <em class:hot=hot>{crate::format::count(count)}</em> });
        view! { <a class="nv" href=href aria-current=frame.current(section)><Icon name=icon/><span>{name}</span>{count}</a> }
    };
    let group = |(name, mut sections): (&'static str, Vec<Section>)| {
        sections.retain(|section| frame.opens(*section));
        let heading = (!name.is_empty() && !sections.is_empty()).then(|| view! { <h3>{name}</h3> });
        view! { {heading}{sections.into_iter().map(entry).collect_view()} }
    };
    Section::groups().into_iter().map(group).collect_view().into_any()
}

#[component]
fn TopBar(frame: Frame) -> AnyView {
    let session = frame.session.clone();
    view! {
        <header class="top">
            <Menu frame=frame/>
            <MerchantSwitch session=session.clone()/>
            <ModeSwitch is_test=session.is_test class="hide-s"/>
            <form class="find hide-s flex-1 max-w-md ml-3" action="/console/orders" role="search" aria-label=t::console::search()>
                <Icon name="search"/>
                <input name="q" aria-label=t::console::search() placeholder=t::console::search() maxlength="64"/>
                <kbd class="kbd ml-auto">"/"</kbd>
            </form>
            <div class="ml-auto flex items-center gap-0.5">
                <a class="btn btn-bare sq md:hidden" href="/console/orders" aria-label=t::console::search()><Icon name="search" size="l"/></a>
                <LanguageSwitch class="max-lg:hidden"/>
                <ThemeSwitch class="hide-s"/>
                <a class="btn btn-bare sq hide-s" href="/help" aria-label=t::site::help()><Icon name="circle-question-mark"/></a>
                <AccountMenu session=session/>
            </div>
        </header>
    }
    .into_any()
}

/// The whole navigation, on phones.
#[component]
fn Menu(frame: Frame) -> AnyView {
    let running = frame.session.running.map(|running| run_state(&frame.session, running));
    view! {
        <details class="menu drawer md:hidden" name="menus" id="menu">
            <summary class="btn btn-bare sq" aria-label=t::console::open_menu()><Icon name="menu" size="l"/></summary>
            <nav class="panel" aria-label=t::console::navigation()>
                <div class="pb-3"><ModeSwitch is_test=frame.session.is_test/></div>
                <Entries frame=frame/>
                <div class="flex gap-1 py-3"><LanguageSwitch/><ThemeSwitch/></div>
                {running}
            </nav>
        </details>
    }
    .into_any()
}

#[component]
fn MerchantSwitch(session: SessionView) -> AnyView {
    let entry = |(name, id): (String, MerchantId)| {
        view! { <button class="nv w-full" name="merchant" value=id.to_string()>{name}</button> }
    };
    view! {
        <details class="menu min-w-0" name="menus">
            <summary class="btn btn-bare px-2 gap-2 max-w-full">
                <span class="who square">{initial(&session.merchant)}</span>
                <span class="font-semibold text-ink truncate">{session.merchant.clone()}</span>
                <Icon name="chevrons-up-down" size="s"/>
            </summary>
            <form class="panel" method="post" action="/account/merchants" aria-label=t::console::merchants()>
                {session.merchants.into_iter().map(entry).collect_view()}
                <a class="nv" href="/account/merchants"><Icon name="store"/>{t::console::merchants()}</a>
            </form>
        </details>
    }
    .into_any()
}

/// Live or test mode; what is not the current one is a button of a form.
#[component]
fn ModeSwitch(is_test: bool, #[prop(optional)] class: &'static str) -> AnyView {
    let button = |test: bool, icon: &'static str, name: &'static str| {
        let value = if test { "test" } else { "live" };
        view! { <button name="mode" value=value aria-pressed=(is_test == test).to_string()><Icon name=icon size="s"/>{name}</button> }
    };
    view! {
        <form class=class method="post" action="/console/mode">
            <div class="seg" role="group" aria-label=t::console::mode()>
                {button(false, "radio", t::console::live())}
                {button(true, "flask-conical", t::console::test())}
            </div>
        </form>
    }
    .into_any()
}

#[component]
fn AccountMenu(session: SessionView) -> AnyView {
    let export = session.permissions.contains(&Permission::Export).then(|| {
        view! { <a class="nv" href="/console/export"><Icon name="download"/>{t::console::export()}</a> }
    });
    let verification = session.permissions.contains(&Permission::Verify).then(|| {
        view! { <a class="nv" href="/console/verification"><Icon name="shield-check"/>{t::verification::title()}</a> }
    });
    view! {
        <details class="menu end" name="menus">
            <summary class="btn btn-bare sq" aria-label=t::console::account(&session.member)>
                <span class="who">{initial(&session.member)}</span>
            </summary>
            <nav class="panel" aria-label=t::console::account(&session.member)>
                <a class="nv" href="/account/security"><Icon name="key-round"/>{t::console::security()}</a>
                {verification}
                {export}
                <form method="post" action="/log-out">
                    <button class="nv w-full"><Icon name="log-out"/>{t::console::log_out()}</button>
                </form>
            </nav>
        </details>
    }
    .into_any()
}

#[component]
fn BottomBar(frame: Frame) -> AnyView {
    let entry = |section: Section| {
        let (href, icon, name) = section.parts();
        let hot = frame.count(section).filter(|(_, hot)| *hot);
        let count = hot.map(|(count, _)| view! { <em>{crate::format::count(count)}</em> });
        view! { <a href=href aria-current=frame.current(section)><Icon name=icon size="l"/><span>{name}</span>{count}</a> }
    };
    view! {
        <nav class="tabbar" aria-label=t::console::quick_navigation()>
            {Section::PHONE.into_iter().filter(|section| frame.opens(*section)).map(entry).collect_view()}
            <a href="#menu"><svg class="i l" aria-hidden="true"><use href=href("menu")></use></svg><span>{t::console::more()}</span></a>
        </nav>
    }
    .into_any()
}

fn initial(name: &str) -> String {
    name.chars().take(1).collect()
}
