//! Which path shows which page.

use leptos::prelude::*;
use leptos_meta::provide_meta_context;
use leptos_router::components::{Route, Router, Routes};
use leptos_router::{SsrMode, path};

use crate::context::{PageContext, provide_page};
use crate::document::Document;
use crate::pages::error_title;
use crate::pages::{
    ApiReference, ApiTokens, Audit, Authorize, AuthorizeByLink, CameBack, ChangeEmail, Confirm, ConnectShop, Connected,
    ConsoleSample, DeleteAccount, DisconnectShop, Email, ErrorPage, ExchangeSecret, Export, HandledOutside, Help,
    ImportResult, Join, Landing, LeaveTeam, LogIn, MemberSeat, Merchant, Merchants, NotFound, Notifications, OncePage,
    Order, Orders, Overview, PasskeyPage, Password, Pauses, Pool, Pools, Pricing, Privacy, Products, Recover,
    RecoverFinish, RecoverStop, Reset, ResetPassword, Revealed, Rules, SecondStep, Security, Shop, ShopList, SignUp,
    SignUpSent, StaffAccount, StaffCase, StaffEnroll, StaffLogIn, StaffQueue, StaffRecoveries, StaffRecovery,
    StaffSecondStep, Status, Styleguide, Sudo, Team, Terms, Tokens, TrialRun, Verification,
};
use crate::t;

/// The paths of the pages anybody may read, for programs that visit all of them.
pub const PAGES: &[&str] = &[
    "/",
    "/pricing",
    "/help",
    "/help/api",
    "/status",
    "/terms",
    "/privacy",
    "/sign-up",
    "/sign-up/sent",
    "/confirm",
    "/log-in",
    "/log-in/second-step",
    "/reset-password",
    "/reset",
    "/change-email",
    "/recover",
    "/recover/finish",
    "/recover/stop",
    "/staff/enroll",
    "/staff/log-in",
    "/staff/log-in/second-step",
];

/// The paths of the pages for developers, which are there in development only.
pub const DEVELOPMENT_PAGES: &[&str] = &["/styleguide", "/styleguide/console"];

/// The application: the page of the path that was asked for, in its document.
///
/// Pages are rendered when everything they need is known, so that the status is right before the first byte.
#[component]
pub fn App(
    /// Whether pages for developers are there.
    development: bool,
) -> AnyView {
    provide_meta_context();
    view! {
        <Document>
            <Router>
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=Landing ssr=SsrMode::Async/>
                    <Route path=path!("/pricing") view=Pricing ssr=SsrMode::Async/>
                    <Route path=path!("/help") view=Help ssr=SsrMode::Async/>
                    <Route path=path!("/help/api") view=ApiReference ssr=SsrMode::Async/>
                    <Route path=path!("/status") view=Status ssr=SsrMode::Async/>
                    <Route path=path!("/terms") view=Terms ssr=SsrMode::Async/>
                    <Route path=path!("/privacy") view=Privacy ssr=SsrMode::Async/>
                    <Route path=path!("/sign-up") view=SignUp ssr=SsrMode::Async/>
                    <Route path=path!("/sign-up/sent") view=SignUpSent ssr=SsrMode::Async/>
                    <Route path=path!("/confirm") view=Confirm ssr=SsrMode::Async/>
                    <Route path=path!("/log-in") view=LogIn ssr=SsrMode::Async/>
                    <Route path=path!("/log-in/second-step") view=SecondStep ssr=SsrMode::Async/>
                    <Route path=path!("/reset-password") view=ResetPassword ssr=SsrMode::Async/>
                    <Route path=path!("/reset") view=Reset ssr=SsrMode::Async/>
                    <Route path=path!("/change-email") view=ChangeEmail ssr=SsrMode::Async/>
                    <Route path=path!("/recover") view=Recover ssr=SsrMode::Async/>
                    <Route path=path!("/recover/finish") view=RecoverFinish ssr=SsrMode::Async/>
                    <Route path=path!("/recover/stop") view=RecoverStop ssr=SsrMode::Async/>
                    <Route path=path!("/account/delete") view=DeleteAccount ssr=SsrMode::Async/>
                    <Route path=path!("/account/email") view=Email ssr=SsrMode::Async/>
                    <Route path=path!("/account/merchants") view=Merchants ssr=SsrMode::Async/>
                    <Route path=path!("/account/password") view=Password ssr=SsrMode::Async/>
                    <Route path=path!("/account/security") view=Security ssr=SsrMode::Async/>
                    <Route path=path!("/account/sudo") view=Sudo ssr=SsrMode::Async/>
                    <Route path=path!("/join") view=Join ssr=SsrMode::Async/>
                    <Route path=path!("/console") view=Overview ssr=SsrMode::Async/>
                    <Route path=path!("/console/api") view=ApiTokens ssr=SsrMode::Async/>
                    <Route path=path!("/console/audit") view=Audit ssr=SsrMode::Async/>
                    <Route path=path!("/console/notifications") view=Notifications ssr=SsrMode::Async/>
                    <Route path=path!("/console/pauses") view=Pauses ssr=SsrMode::Async/>
                    <Route path=path!("/console/pauses/:target") view=Pauses ssr=SsrMode::Async/>
                    <Route path=path!("/console/pools") view=Pools ssr=SsrMode::Async/>
                    <Route path=path!("/console/pools/:pool") view=Pool ssr=SsrMode::Async/>
                    <Route path=path!("/console/products") view=Products ssr=SsrMode::Async/>
                    <Route path=path!("/console/rules") view=Rules ssr=SsrMode::Async/>
                    <Route path=path!("/console/team") view=Team ssr=SsrMode::Async/>
                    <Route path=path!("/console/team/leave") view=LeaveTeam ssr=SsrMode::Async/>
                    <Route path=path!("/console/team/:user") view=MemberSeat ssr=SsrMode::Async/>
                    <Route path=path!("/console/export") view=Export ssr=SsrMode::Async/>
                    <Route path=path!("/console/merchant") view=Merchant ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops") view=ShopList ssr=SsrMode::Async/>
                    <Route path=path!("/authorize/:token") view=AuthorizeByLink ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/authorize") view=Authorize ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/callback") view=CameBack ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/new") view=ConnectShop ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/tokens") view=Tokens ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/connected") view=Connected ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop") view=Shop ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/disconnect") view=DisconnectShop ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/keys") view=ExchangeSecret ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/outside") view=HandledOutside ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/trial") view=TrialRun ssr=SsrMode::Async/>
                    <Route path=path!("/console/verification") view=Verification ssr=SsrMode::Async/>
                    <Route path=path!("/console/orders") view=Orders ssr=SsrMode::Async/>
                    <Route path=path!("/console/shops/:shop/orders/:order_sn") view=Order ssr=SsrMode::Async/>
                    <Route path=path!("/staff/account") view=StaffAccount ssr=SsrMode::Async/>
                    <Route path=path!("/staff/enroll") view=StaffEnroll ssr=SsrMode::Async/>
                    <Route path=path!("/staff/log-in") view=StaffLogIn ssr=SsrMode::Async/>
                    <Route path=path!("/staff/log-in/second-step") view=StaffSecondStep ssr=SsrMode::Async/>
                    <Route path=path!("/staff/recoveries") view=StaffRecoveries ssr=SsrMode::Async/>
                    <Route path=path!("/staff/recoveries/:merchant/:recovery") view=StaffRecovery ssr=SsrMode::Async/>
                    <Route path=path!("/staff/verifications") view=StaffQueue ssr=SsrMode::Async/>
                    <Route path=path!("/staff/verifications/:merchant/:case") view=StaffCase ssr=SsrMode::Async/>
                    <Route path=path!("/styleguide") view=move || only(development, Styleguide) ssr=SsrMode::Async/>
                    <Route path=path!("/styleguide/console") view=move || only(development, ConsoleSample) ssr=SsrMode::Async/>
                </Routes>
            </Router>
        </Document>
    }
    .into_any()
}

fn only<V: IntoView + 'static>(permitted: bool, page: fn() -> V) -> AnyView {
    if permitted { page().into_any() } else { NotFound().into_any() }
}

/// Renders the page of a refusal outside of the router: no route was asked, or the one asked has failed.
#[must_use]
pub fn render_error(page: PageContext, status: u16) -> String {
    render(page, || error_title(status), move || view! { <ErrorPage status=status/> }.into_any())
}

/// Renders a page whose title no router collects.
fn render(
    page: PageContext,
    title: impl FnOnce() -> &'static str,
    body: impl FnOnce() -> AnyView + Send + 'static,
) -> String {
    Owner::new_root(None).with(|| {
        provide_page(page);
        provide_meta_context();
        let title = title();
        view! { <Document title=title>{body()}</Document> }.to_html()
    })
}

/// A page that answers a form itself instead of sending on, because what it shows is shown once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerPage {
    /// A secret that was just made: [`crate::views::once::Once`].
    Once,
    /// A question for the browser's authenticator: [`crate::views::passkey::Passkey`].
    Passkey,
    /// What became of an import: [`crate::views::stock::ImportResult`].
    ImportResult,
    /// The cards of an order, in clear: [`crate::views::orders::RevealedPage`].
    RevealedCards,
}

/// Renders the page that answers a form, outside of the router.
#[must_use]
pub fn render_answer(page: PageContext, answer: AnswerPage) -> String {
    let title = move || match answer {
        AnswerPage::ImportResult => t::stock::import_title(),
        AnswerPage::Once => t::once::title(),
        AnswerPage::Passkey => t::passkey::title(),
        AnswerPage::RevealedCards => t::order::card_title(),
    };
    render(page, title, move || match answer {
        AnswerPage::ImportResult => view! { <ImportResult/> }.into_any(),
        AnswerPage::Once => view! { <OncePage/> }.into_any(),
        AnswerPage::Passkey => view! { <PasskeyPage/> }.into_any(),
        AnswerPage::RevealedCards => view! { <Revealed/> }.into_any(),
    })
}
