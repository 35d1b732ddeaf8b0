//! What a request says: parsed before anything is done, and refused with a problem document.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header;
use actix_web::web::{self, Bytes};
use actix_web::{Error, FromRequest, HttpMessage as _, HttpRequest};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use kamiflow_domain::ctx::Ctx;
use kamiflow_kernel::{ApiScope, ShopId, ShopScope};
use serde::de::DeserializeOwned;

use super::errors::not_found;
use crate::problem::Problem;
use crate::product::Product;

/// Who asks, and the use cases.
pub(super) struct Caller {
    /// Use cases.
    pub(super) product: web::Data<Product>,
    /// The circumstances of what follows.
    pub(super) ctx: Ctx,
}

impl Caller {
    /// Refuses a token that is not for this.
    pub(super) fn needs(&self, scope: ApiScope) -> Result<(), Problem> {
        if self.ctx.api_caller().is_some_and(|caller| caller.scopes.contains(&scope)) {
            return Ok(());
        }
        let challenge = format!("Bearer realm=\"kamiflow\", error=\"insufficient_scope\", scope=\"{scope}\"");
        Err(Problem::new(StatusCode::FORBIDDEN, "scope.missing", "The token is not for this")
            .because(format!("make a token with the scope {scope}"))
            .challenging(challenge))
    }

    /// Returns the shops that a list is of; one that the token does not see is not there.
    pub(super) fn shops(&self, asked: Option<ShopId>) -> Result<Vec<ShopId>, Problem> {
        let seen = match self.ctx.shops() {
            Some(ShopScope::Only(shops)) => shops.iter().copied().collect(),
            // A token names its shops.
            Some(ShopScope::All) | None => Vec::new(),
        };
        match asked {
            None => Ok(seen),
            Some(shop) if seen.contains(&shop) => Ok(vec![shop]),
            Some(_) => Err(not_found()),
        }
    }
}

impl FromRequest for Caller {
    type Error = Error;
    type Future = Ready<Result<Self, Error>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let parts = (request.app_data::<web::Data<Product>>().cloned(), request.extensions().get::<Ctx>().cloned());
        ready(match parts {
            (Some(product), Some(ctx)) => Ok(Self { product, ctx }),
            // The guard stands in front of every operation.
            _ => Err(actix_web::error::ErrorInternalServerError("an operation without its guard")),
        })
    }
}

/// What the address names; what is no id is not there.
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Named<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let path = web::Path::<T>::from_request(request, payload).into_inner();
        ready(path.map(|path| Self(path.into_inner())).map_err(|_no_id| not_found()))
    }
}

/// What the query asks for.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest for Asked<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _payload: &mut Payload) -> Self::Future {
        let query = web::Query::<T>::from_query(request.query_string());
        ready(query.map(|query| Self(query.into_inner())).map_err(|error| bad_query(error.to_string())))
    }
}

/// Returns the problem of a query that means nothing.
pub(super) fn bad_query(detail: String) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "query.invalid", "The query cannot be read").because(detail)
}

/// What the body says, as JSON. What it said is not repeated: it may hold cards.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + 'static> FromRequest for Body<T> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .and_then(|kind| kind.split(';').next())
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"));
        let bytes = Bytes::from_request(request, payload);
        async move {
            if !is_json {
                let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
                return Err(Problem::new(status, "body.media_type", "The body must be application/json"));
            }
            let bytes = bytes.await.map_err(|_too_large| {
                Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body.too_large", "The request's body is too large")
            })?;
            serde_json::from_slice(&bytes).map(Self).map_err(|error| {
                let place = format!("line {}, column {}: {}", error.line(), error.column(), category(&error));
                Problem::new(StatusCode::BAD_REQUEST, "body.invalid", "The body cannot be read").because(place)
            })
        }
        .boxed_local()
    }
}

fn category(error: &serde_json::Error) -> &'static str {
    match error.classify() {
        serde_json::error::Category::Data => "a field is missing, unknown, or of another type",
        _ => "this is not JSON",
    }
}
