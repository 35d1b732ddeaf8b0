//! HTTP serving: the only crate that knows it. Handlers translate; what they ask for is done elsewhere.
//!
//! # The picture
//! [`Application::bind`] takes the socket, so that its address is known before anything runs, and
//! [`Application::run`] serves until the shutdown token is cancelled. `kamiflow serve` and `kamiflow work` use the
//! same application: a worker needs health and metrics as much as a server does. `serve` binds with
//! [`Application::bind_site`], which adds the web pages.
//!
//! # Routes
//! | route | answers |
//! | --- | --- |
//! | `GET /healthz` | 200 as long as the process can answer at all |
//! | `GET /readyz` | 200, or 503 with what is wrong: Postgres, its schema, the key ring, Redis, or a loop that stopped |
//! | `GET /metrics` | the Prometheus text format; a bearer token guards it where one is configured |
//! | `GET /assets/…` | built files, immutable |
//! | `GET` of a page | HTML, see [`web`] |
//! | `POST` of a form | 303, see [`forms`] |
//! | `GET /live` | an event stream: something that an open page shows may have changed, see [`live`] |
//! | `/api/v1/…` | JSON for programs with a token, see [`api`] |
//! | anything else | 404: a page for browsers, else `application/problem+json` |
//!
//! To add an area, give it a module with a `configure(&mut ServiceConfig)` and name that in [`application`]'s routes, before
//! the fallback.

mod api;
pub mod application;
mod console;
mod forms;
mod health;
mod live;
mod metrics;
mod problem;
mod product;
mod requests;
mod visitor;
mod web;

pub use api::ApiLimits;
pub use application::{Application, BindError, Dependencies};
pub use product::{AuthorizationPages, PlatformPages, Product, SandboxDesk};
pub use web::{Site, SiteError};
