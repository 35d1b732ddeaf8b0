//! The web application: pages, layouts, components and islands, in Chinese and English.
//!
//! # Two builds of one crate
//! With `ssr` the server renders whole pages. With `hydrate` nothing but [`islands`] is there: the small parts that
//! react in the browser, woken up by `frontend/hydrate`. Whatever a page says is rendered by the server, so pages,
//! components and catalogs never reach the browser as code; an island is handed its texts as plain values.
//!
//! # What a page knows
//! The server puts one [`context::PageContext`] into Leptos' context per request: language, theme, who is signed in,
//! what a form said. A page reads that, and calls use cases for the rest.
//!
//! # To add a page
//! A file under `pages/`, a row in [`routes`], and its texts in both catalogs under `locales/`. The screenshot program
//! visits it by itself, because it asks [`routes::PAGES`].

#![recursion_limit = "256"]
#![allow(unreachable_pub, reason = "the macros of components and islands write `pub` whatever the function says")]

pub mod islands;

#[cfg(feature = "ssr")]
mod components;
#[cfg(feature = "ssr")]
pub mod context;
#[cfg(feature = "ssr")]
mod document;
#[cfg(feature = "ssr")]
mod format;
#[cfg(feature = "ssr")]
mod layouts;
#[cfg(feature = "ssr")]
mod locale;
#[cfg(feature = "ssr")]
mod pages;
#[cfg(feature = "ssr")]
pub mod plans;
#[cfg(feature = "ssr")]
pub mod routes;
#[cfg(feature = "ssr")]
mod t;
#[cfg(feature = "ssr")]
pub mod views;
