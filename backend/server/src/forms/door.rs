//! What a handler is given: the site, the use cases, and who asks.

use std::any::Any;
use std::error::Error as StdError;
use std::future::{Ready, ready};
use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header};
use actix_web::{Error, FromRequest, HttpRequest, HttpResponse, web};
use kamiflow_app::context::{FormOutcome, PageContext};
use kamiflow_app::routes::{AnswerPage, render_answer};
use kamiflow_app::views::once::Once;
use kamiflow_domain::accounts::Account;
use kamiflow_domain::ctx::{Ctx, Denied};
use kamiflow_domain::list_shops::ShopSummary;
use kamiflow_store::StoreError;
use tracing::error;

use super::flash;
use crate::console::{self, Stop};
use crate::product::Product;
use crate::visitor::Visitor;
use crate::web::{Site, context_of, log_in_path, refuse, sudo_path};

/// What a form works with that anybody may send.
pub(crate) struct Door {
    /// Settings and built files.
    pub(crate) site: web::Data<Site>,
    /// Use cases.
    pub(crate) product: web::Data<Product>,
    /// Who asks.
    pub(crate) visitor: Visitor,
    /// The request, for its own cookies and refusals.
    pub(crate) request: HttpRequest,
}

/// What a form works with that only a member of a merchant's team may send.
pub(crate) struct Desk {
    /// Settings and built files.
    pub(crate) site: web::Data<Site>,
    /// Use cases.
    pub(crate) product: web::Data<Product>,
    /// Who asks, on which device.
    pub(crate) visitor: Visitor,
    /// Who is logged in.
    pub(crate) account: Account,
    /// The circumstances of what follows.
    pub(crate) ctx: Ctx,
    request: HttpRequest,
}

/// Why a form was not done, as a handler answers it.
#[derive(Debug)]
pub(crate) enum Refused {
    /// A field is wrong; an empty name stands for the whole form.
    Field(&'static str, &'static str),
    /// The role does not permit it, or it asks for a fresh proof first.
    Denied(Denied),
    /// It is about something that is not there for this merchant.
    NotFound,
    /// This process has as much of it to do as it can; again after so many seconds.
    Busy(u64),
    /// The store failed, or something else that is none of the sender's business.
    Failed(Box<dyn StdError>),
}

impl From<Denied> for Refused {
    fn from(denied: Denied) -> Self {
        Self::Denied(denied)
    }
}

impl From<StoreError> for Refused {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => Self::NotFound,
            other => Self::Failed(Box::new(other)),
        }
    }
}

impl Door {
    /// Returns who is logged in and has chosen a password, or where to do that.
    pub(crate) fn settled(&self, next: &str) -> Result<&Account, String> {
        match &self.visitor.account {
            None => Err(log_in_path(next)),
            Some(account) if account.must_change_password => Err("/account/password".to_owned()),
            Some(account) => Ok(account),
        }
    }

    /// Answers with the form's own page, which says what is wrong. `outcome` holds what was typed.
    pub(crate) fn refuse(&self, page: &str, refused: Refused, outcome: FormOutcome) -> HttpResponse {
        answer(&self.request, &self.site, page, (refused, outcome))
    }

    /// Shows a secret once to somebody who is not logged in. Nothing keeps the answer.
    pub(crate) fn once(&self, once: Once) -> HttpResponse {
        self.show(AnswerPage::Once, once)
    }

    /// Answers with a page of its own, outside of the console. Nothing keeps the answer.
    pub(crate) fn show<T: Any + Send + Sync>(&self, answer: AnswerPage, view: T) -> HttpResponse {
        let mut page = context_of(&self.request, &self.site);
        if let Some(account) = &self.visitor.account {
            page.locale = account.locale;
        }
        page.data = Some(Arc::new(view));
        unkept(page, answer)
    }
}

/// Renders an answer that nobody keeps.
fn unkept(page: PageContext, answer: AnswerPage) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(render_answer(page, answer))
}

impl Desk {
    /// Answers with the form's own page, which says what is wrong. `outcome` holds what was typed.
    pub(crate) fn refuse(&self, page: &str, refused: Refused, outcome: FormOutcome) -> HttpResponse {
        answer(&self.request, &self.site, page, (refused, outcome))
    }

    /// Shows a secret once. Nothing keeps the answer, and asking for it again by the browser's button sends the form again.
    pub(crate) async fn once(&self, once: Once) -> HttpResponse {
        self.show(AnswerPage::Once, |_shops| Some(once)).await
    }

    /// Answers what a use case said: on to `page`, where it is told as `notice`, or back there with what went wrong.
    pub(crate) fn told(&self, page: &str, done: Result<(), Refused>, notice: &str) -> HttpResponse {
        match done {
            Ok(()) => flash::told(&self.site, page, notice),
            Err(refused) => self.refuse(page, refused, FormOutcome::default()),
        }
    }
}

impl Desk {
    /// Answers with a page of its own, because what it shows is shown once: nobody keeps it.
    pub(crate) async fn show<T: Any + Send + Sync>(
        &self,
        answer: AnswerPage,
        view: impl FnOnce(Vec<ShopSummary>) -> Option<T>,
    ) -> HttpResponse {
        let mut page = context_of(&self.request, &self.site);
        let shops = match console::prepare_answer((&self.product, &self.visitor, &self.ctx), &mut page).await {
            Ok(shops) => shops,
            Err(stop) => return stop.answer(&self.request),
        };
        let Some(view) = view(shops) else { return Stop::NotFound.answer(&self.request) };
        page.data = Some(Arc::new(view));
        unkept(page, answer)
    }
}

fn answer(request: &HttpRequest, site: &Site, page: &str, (refused, outcome): (Refused, FormOutcome)) -> HttpResponse {
    let wrong = |field: &str, code: &str| FormOutcome { errors: FormOutcome::refused(field, code).errors, ..outcome };
    match refused {
        Refused::Field(field, code) => flash::again(site, page, wrong(field, code)),
        Refused::Denied(Denied::SudoNeeded) => flash::done(&sudo_path(page)),
        Refused::Denied(Denied::Permission(_)) => refuse(request, StatusCode::FORBIDDEN, "permission.missing"),
        Refused::NotFound => refuse(request, StatusCode::NOT_FOUND, "resource.unknown"),
        Refused::Busy(seconds) => {
            let mut answer = refuse(request, StatusCode::SERVICE_UNAVAILABLE, "server.busy");
            answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            answer
        }
        Refused::Failed(cause) => {
            error!(error = &*cause, http.route = request.match_pattern(), "A form failed");
            flash::again(site, page, wrong("", "unavailable"))
        }
    }
}

impl FromRequest for Door {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parts = || {
            Some(Self {
                site: request.app_data::<web::Data<Site>>()?.clone(),
                product: request.app_data::<web::Data<Product>>()?.clone(),
                visitor: Visitor::of(request)?,
                request: request.clone(),
            })
        };
        // The frame stands in front of every form and recognizes who asks.
        ready(parts().ok_or_else(|| actix_web::error::ErrorInternalServerError("a form without its frame")))
    }
}

impl FromRequest for Desk {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let door = match Door::from_request(request, payload).into_inner() {
            Ok(door) => door,
            Err(error) => return ready(Err(error)),
        };
        let (Some(account), Some(ctx)) = (door.visitor.account.clone(), door.visitor.ctx()) else {
            // What was typed is lost, but nothing was done: the session ended in between.
            let elsewhere = flash::done(&log_in_path("/console"));
            return ready(Err(InternalError::from_response("nobody is logged in", elsewhere).into()));
        };
        let Door { site, product, visitor, request } = door;
        ready(Ok(Self { site, product, visitor, account, ctx, request }))
    }
}
